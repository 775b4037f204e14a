#!/bin/bash
# D29: what a power cut has brought back is still known to be done after a run that ended before it came to recovery.
# control: cannot be staged: fspl keeps no record of a run
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# after_power_cut: job 1 was done, job 2 was running, and the removal of job 1 did not reach the disk. The files are
# younger than the run here, so its record is told to be of a time to come.
after_power_cut() {
  local pid
  newq; jobs_ 1 2 3; rm -f begun ran
  cp q/jobs/fspl-1.fspl back
  fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ = 1 ] || { echo > begun; sleep 20; }' 2>/dev/null & pid=$!
  wait_for begun; kill -KILL $pid; wait $pid 2>/dev/null
  unlocked
  cp back q/jobs/fspl-1.fspl
  edit_record 's/ before=\d+/ before=9999999999/; s/ boot=\S+/ boot=another/'
  rm ran
}
# finished NAME: the next run removes what came back, and runs the others.
finished() {
  run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
  is "$1: exit status" "$RC" 0
  is "$1: the others run" "$(tr '\n' ' ' < ran)" "2 3 "
  is "$1: nothing is left" "$(state)" "next=4 jobs="
  says "$1: told" 'job 1 \(fspl-1.fspl\) was done before the crash; its file removed'
}
after_power_cut
finished "at once"
for policy in Retry Leave; do
  after_power_cut; rm -f scanning
  fspl queue-process -q q --on-error $policy -d 'echo > scanning; sleep 20; cat' true 2>/dev/null & pid=$!
  wait_for scanning; kill -TERM $pid; wait $pid 2>/dev/null
  finished "after a run that was interrupted during its scan, under $policy"
done
after_power_cut
run fspl queue-process -q q --order-by Timestamp -n 0 true
is "in order of time: exit status" "$RC" 0
finished "after a run in order of time"
finish
