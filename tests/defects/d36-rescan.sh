#!/bin/bash
# D36: the next number, arriving during a run, runs in it.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1; pkt make --seq 2 --payload two > two; pkt make --seq 3 --payload three > three
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ = 1 ] && mv two q/jobs/fspl-2.fspl; [ $FSPL_SEQ = 2 ] && mv three q/jobs/fspl-3.fspl; :'
is "exit status" "$RC" 0
is "they run" "$(tr '\n' ' ' < ran)" "1 2 3 "
if ours; then
  newq; job 1; rm -f ran; pkt make --seq 2 --payload two > two
  run fspl queue-process -q q --no-rescan sh -- -c 'echo $FSPL_SEQ >> ran; mv two q/jobs/fspl-2.fspl'
  is "--no-rescan: not yet" "$(tr '\n' ' ' < ran) $(state)" "1  next=2 jobs=fspl-2.fspl"
fi
finish
