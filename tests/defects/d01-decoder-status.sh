#!/bin/bash
# D01: a decoder's failure, also after its last byte, fails the job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq
packet_of 'payload => join "\n", 1 .. 60000' | gzip > whole
head -c $(($(stat -c %s whole) - 20)) whole > q/jobs/fspl-1.fspl
commit='cat > part && mv part committed'
bounded 20 fspl queue-process -q q -d zcat bash -- -c "$commit"
is "cut gzip: exit status" "$RC" 1
is "cut gzip: the job stays" "$(state)" "next=1 jobs=fspl-1.fspl"
is "cut gzip: nothing committed" "$(there committed)" no
bounded 20 fspl queue-payload -q q -d zcat -j 1
is "cut gzip, queue-payload: exit status" "$RC" 1
for decoder in 'cat; exit 1' 'cat; kill -KILL $$' "sh -c 'cat; exit 3' | cat"; do
  newq; job 1; rm -f committed
  bounded 20 fspl queue-process -q q -d "$decoder" bash -- -c "$commit"
  is "$decoder: exit status" "$RC" 1
  is "$decoder: the job stays" "$(state)" "next=1 jobs=fspl-1.fspl"
  is "$decoder: nothing committed" "$(there committed)" no
  bounded 20 fspl queue-payload -q q -d "$decoder" -j 1
  is "$decoder, queue-payload: exit status" "$RC" 1
done
newq; jobs_ 1 2
bounded 20 fspl queue-process -q q -d 'cat; exit 1' --on-error Leave bash -- -c "$commit"
is "Leave: the number moves, the files stay" "$(state)" "next=3 jobs=fspl-1.fspl fspl-2.fspl"
is "Leave: nothing committed" "$(there committed)" no
newq; pkt make --seq 1 --type NOP > q/jobs/fspl-1.fspl
bounded 20 fspl queue-process -q q -d 'cat; exit 1' true
is "a NOP that the decoder disowns: exit status" "$RC" 1
is "a NOP that the decoder disowns: stays" "$(state)" "next=1 jobs=fspl-1.fspl"
if ours; then
  newq; job 1
  bounded 20 fspl queue-process -q q -d 'cat; exit 3' --decoder-ok 3 bash -- -c "$commit"
  is "--decoder-ok: exit status" "$RC" 0
  is "--decoder-ok: done" "$(state)" "next=2 jobs="
  newq; job 1; rm -f committed
  bounded 20 fspl queue-process -q q -d 'cat; exit 3' --verify before bash -- -c 'echo started > started'
  is "--verify before: exit status" "$RC" 1
  is "--verify before: the command was not started" "$(there started)" no
  says "the message has job, file and status" 'job 1 \(fspl-1.fspl\).*3'
fi
finish
