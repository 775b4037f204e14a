#!/bin/bash
# D09, D14, D22: queue-sweep tells what lies in a queue and will never run, and removes it if told.
# control: cannot be staged: fspl has no such command
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stage() {
  newq; echo 3 > q/nextseq; jobs_ 1 2 3 4 5 7
  cp q/jobs/fspl-2.fspl q/jobs/fspl-2b.fspl   # old
  cp q/jobs/fspl-4.fspl q/jobs/fspl-4b.fspl   # a redelivery
  cp q/jobs/fspl-7.fspl q/jobs/fspl-7c.fspl   # one more, of a number in conflict
  pkt make --seq 7 --payload other > q/jobs/fspl-7b.fspl
  echo half > q/jobs/tmp-fspl-x.fspl.tmp; touch -d '2 days ago' q/jobs/tmp-fspl-x.fspl.tmp
  echo half > q/.penstock-x.tmp; touch -d '2 days ago' q/.penstock-x.tmp
  echo half > q/jobs/tmp-fspl-y.fspl.tmp
  echo note > q/jobs/README; touch -d '2 days ago' q/jobs/README; mkdir q/jobs/tmp-fspl-z.fspl.tmp
}
all="old 1 jobs/fspl-1.fspl
old 2 jobs/fspl-2.fspl
old 2 jobs/fspl-2b.fspl
duplicate 4 jobs/fspl-4b.fspl: equal to jobs/fspl-4.fspl
duplicate 7 jobs/fspl-7c.fspl: equal to jobs/fspl-7.fspl
conflict 7 jobs/fspl-7b.fspl: differs from jobs/fspl-7.fspl; remove all but the right one
temporary .penstock-x.tmp
temporary jobs/tmp-fspl-x.fspl.tmp
temporary jobs/tmp-fspl-y.fspl.tmp: stays, as it may be being written"
kept="./README ./fspl-3.fspl ./fspl-4.fspl ./fspl-5.fspl ./fspl-7.fspl ./fspl-7b.fspl ./tmp-fspl-y.fspl.tmp ./tmp-fspl-z.fspl.tmp"
stage; before=$(files q)
run fspl queue-sweep -q q
is "dry: what it says" "$RC $OUT" "0 $all"
says "dry: how to do it" '7 files would be removed: --apply does it'
is "dry: nothing is removed" "$(files q)" "$before"
run fspl queue-sweep -q q --apply
is "--apply: what it says" "$RC $OUT" "0 $all"
says "--apply: how many" '7 files removed'
is "--apply: what is left" "$(files q/jobs)" "$kept"
is "--apply: nor in the queue" "$(there q/.penstock-x.tmp) $(cat q/nextseq)" "no 3"
run fspl queue-sweep -q q --apply
is "again: only what stays" "$RC $(wc -l < "$TMP/out")" "0 2"
silent "again: nothing removed"
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "the others run" "$RC $(tr '\n' ' ' < ran)" "0 3 4 5 "
stage; run fspl queue-sweep -q q --json
get() { perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); print join ";", map { my $e = $_; join ",", map { $e->{$_} // "" } @ARGV } @$j' "$@"; }
is "--json" "$(get kind id file of stays < "$TMP/out" | cut -d';' -f1,4,6,8,9)" \
  "old,1,jobs/fspl-1.fspl,,0;duplicate,4,jobs/fspl-4b.fspl,jobs/fspl-4.fspl,0;conflict,7,jobs/fspl-7b.fspl,jobs/fspl-7.fspl,1;temporary,,jobs/tmp-fspl-x.fspl.tmp,,0;temporary,,jobs/tmp-fspl-y.fspl.tmp,,1"
newq; run fspl queue-sweep -q q; is "a clean queue: nothing" "$RC $OUT$(cat "$TMP/err")" "0 "
for n in 1 2; do pkt make --seq $n --payload x | gzip > q/jobs/fspl-$n.fspl; done; echo 2 > q/nextseq; cp q/jobs/fspl-2.fspl q/jobs/fspl-2b.fspl
run fspl queue-sweep -q q -d 'gzip -dc' --apply
is "through a decoder" "$RC $(files q/jobs)" "0 ./fspl-2.fspl"
run fspl queue-sweep -q q --apply
is "what cannot be read stays" "$RC $(files q/jobs)" "0 ./fspl-2.fspl"
# Found by fuzzing: the link came first, so what it leads to was removed as its copy, and the job with it.
newq; jobs_ 1; ln -s fspl-1.fspl q/jobs/fspl-0.fspl
run fspl queue-sweep -q q --apply
is "what a link leads to is no copy of it" "$RC $(files q/jobs)" "0 ./fspl-0.fspl ./fspl-1.fspl"
stage; flock q/nextseq.lock sleep 1 & sleep 0.2
fails "not while the queue is busy" 1 fspl queue-sweep -q q --apply
is "not while the queue is busy: nothing is removed" "$(files q)" "$before"; wait
fails "no queue" 1 fspl queue-sweep -q nowhere
echo junk > q/nextseq
fails "without a number nothing is old" 1 fspl queue-sweep -q q --apply
is "without a number nothing is removed" "$(cat q/nextseq; echo 3 > q/nextseq; files q)" "junk
$before"

need strace
newq; jobs_ 1; cp q/jobs/fspl-1.fspl q/jobs/fspl-1b.fspl
strace -f -y -o trace -e trace=fsync,unlinkat fspl queue-sweep -q q --apply >/dev/null 2>&1
like "the one that stays is durable before its copy goes" "$(calls trace)" 'fsync\(fspl-1.fspl\) fsync\(jobs\) unlinkat\(fspl-1b.fspl\) fsync\(jobs\)'
kills=0
for call in unlinkat fsync; do for n in 1 2 3 4 5 6 7 8 9; do
  stage
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl queue-sweep -q q --apply >/dev/null 2>&1
  [ $? = 137 ] || continue
  kills=$((kills + 1))
  for file in $kept; do [ -e "q/jobs/$file" ] || echo "# $call $n: $file is gone"; done
  fspl queue-sweep -q q --apply >/dev/null 2>&1
  [ "$(files q/jobs)" = "$kept" ] || echo "# $call $n: $(files q/jobs)"
done; done > again 2>/dev/null
is "killed at any step: what stays is there, doing it again completes it" "$(cat again)" ""
is "it was killed" "$([ $kills -ge 12 ] && echo yes || echo $kills)" yes
finish
