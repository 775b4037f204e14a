#!/bin/bash
# D09: old and far duplicates stop nobody, identical files are one job, a conflict stops at its turn.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; echo 5 > q/nextseq; jobs_ 5 6; job 2; pkt make --seq 2 --payload other > q/jobs/fspl-2b.fspl
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "old duplicates: exit status" "$RC" 0
is "old duplicates: the others run" "$(tr '\n' ' ' < ran)" "5 6 "
newq; rm -f ran; jobs_ 1 2; job 9; pkt make --seq 9 --payload other > q/jobs/fspl-9b.fspl
run fspl queue-info -q q -j 1
is "far duplicates: queue-info of another" "$RC" 0
run fspl queue-payload -q q -j 2
is "far duplicates: queue-payload of another" "$OUT" pay2
run fspl queue-info -q q -j 9
is "queue-info of a conflict: exit status" "$RC" 1
says "queue-info of a conflict: names both" "job 9.*fspl-9.fspl.*fspl-9b.fspl"
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "far duplicates: exit status" "$RC" 0
is "far duplicates: the others run" "$(tr '\n' ' ' < ran)" "1 2 "
newq; rm -f ran; jobs_ 1 2 3; cp q/jobs/fspl-2.fspl q/jobs/fspl-2copy.fspl
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "identical: exit status" "$RC" 0
is "identical: once" "$(tr '\n' ' ' < ran)" "1 2 3 "
is "identical: both are removed" "$(state)" "next=4 jobs="
if ours; then
  newq; job 1; cp q/jobs/fspl-1.fspl q/jobs/fspl-1b.fspl
  run fspl -l debug queue-process -q q true
  says "identical: told at level debug" 'debug: removing fspl-1b.fspl, a copy of job 1 \(fspl-1.fspl\)'
fi
newq; rm -f ran; jobs_ 1 2 3; pkt make --seq 2 --payload other > q/jobs/fspl-2b.fspl
if ours; then
  jobs_ 4; cp q/jobs/fspl-4.fspl q/jobs/fspl-4b.fspl; cp q/jobs/fspl-2.fspl q/jobs/fspl-2c.fspl
  is "queue-ls --marks tells copies from conflicts" "$(fspl queue-ls -q q --marks | awk 'NR > 1 { print $1, $3, $4 }' | tr '\n' ';')" \
    "1 next fspl-1.fspl;2 conflict fspl-2.fspl;2 conflict fspl-2b.fspl;2 duplicate fspl-2c.fspl;3 waiting fspl-3.fspl;4 waiting fspl-4.fspl;4 duplicate fspl-4b.fspl;"
  is "and so does --json" "$(fspl queue-ls -q q --json | grep -c '"mark": "conflict"')" 2
  rm q/jobs/fspl-4*.fspl q/jobs/fspl-2c.fspl
fi
run fspl queue-process -q q --on-error Delete sh -- -c 'echo $FSPL_SEQ >> ran'
is "conflict: exit status" "$RC" 1
is "conflict: those before it run" "$(tr '\n' ' ' < ran)" "1 "
is "conflict: stops there, both stay" "$(state)" "next=2 jobs=fspl-2.fspl fspl-2b.fspl fspl-3.fspl"
says "conflict: names both" "job 2.*fspl-2.fspl.*fspl-2b.fspl"
finish
