#!/bin/bash
# D08: a missing number is told, with what waits for it.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 2 3
run fspl queue-process -q q true
is "exit status" "$RC" 0
says "says which number is awaited, how many wait, and the first" 'waiting for job 1; 2 later jobs.* 2 \(fspl-2.fspl\)'
if ours; then says "says what to do" 'if it will never come, .*penstock prepare-nop --fill 1.*penstock queue-set-next -q q 2'; fi
newq; run fspl queue-process -q q true
silent "an empty queue is no gap"
job 1; run fspl queue-process -q q true
silent "nor is one that has been drained"
if ours; then
  newq; jobs_ 1 3
  run fspl queue-process -q q --gap-status 7 true
  is "--gap-status" "$RC" 7
  is "jobs before the gap have run" "$(cat q/nextseq)" 2
  newq; run fspl queue-process -q q --gap-status 7 true
  is "--gap-status without a gap" "$RC" 0
  newq; jobs_ 3; echo junk > q/jobs/fspl-junk.fspl
  run fspl queue-process -q q --gap-status 7 --skipped-status 9 true
  is "a gap goes before skipped files" "$RC" 7
  says "files that could not be read are named as a possible reason" 'waiting for job 1;.*1 file.* could not be read'
  run fspl -l warn queue-process -q q true
  says_not "-l warn: silence about the gap" 'waiting'
fi
finish
