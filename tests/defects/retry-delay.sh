#!/bin/bash
# --retry-delay: a job that has failed is left alone until its next attempt is due, across runs.
# control: cannot be staged: fspl has no such option
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
process() { run fspl queue-process -q q "$@" sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> ran; [ ! -e fail ]'; }
fresh() { newq; jobs_ 1 2; rm -f ran; : > ran; : > fail; }
# failed_ago SECONDS: as if the last attempt had failed then.
failed_ago() { edit_record "s/ failed=\\d+/' failed=' . (time() - $1)/e"; }
waits() { # NAME OPTION...
  local name=$1 before; shift; before=$(cat ran)
  process "$@"
  is "$name: nothing runs, status 0" "$RC $(cat ran) $(state)" "0 $before next=1 jobs=fspl-1.fspl fspl-2.fspl"
  lines "$name: told in one line" 1 .
  says "$name: what, when, and when next" 'queue-process: job 1 \(fspl-1.fspl\) failed at ([-0-9]+ )?[0-9:]{8} \(attempt [0-9]+: exit 1\); the next attempt is due at ([-0-9]+ )?[0-9:]{8} *$'
}
attempt_is() { is "$1" "$RC $(tail -1 ran)" "1 1 $2"; }

fresh; process --retry-delay 1h
attempt_is "the first attempt" 1
says "told when the next one is due" '\(attempt 1; the next one is due at .*[0-9:]{8}\)'
waits "the next run" --retry-delay 1h
waits "and the one behind it" --retry-delay 1h
run fspl queue-process -q q --retry-delay 1h --detailed-exit true
is "--detailed-exit" "$RC" 5
rm fail; process
is "without the option it runs at once, and attempts went on counting" "$RC $(tr '\n' ';' < ran)" "0 1 1;1 2;2 1;"

fresh; process --retry-delay 1m..1h
failed_ago 50; waits "after 50 s of 1 minute" --retry-delay 1m..1h
failed_ago 61; process --retry-delay 1m..1h; attempt_is "after 61 s" 2
failed_ago 110; waits "after 110 s of 2 minutes" --retry-delay 1m..1h
failed_ago 121; process --retry-delay 1m..1h; attempt_is "after 121 s" 3
edit_record 's/ attempt=3/ attempt=40/'
failed_ago 3590; waits "never more than the most: 3590 s of 1 hour" --retry-delay 1m..1h
failed_ago 3601; process --retry-delay 1m..1h; attempt_is "3601 s" 41

fresh; process --retry-delay 1m..1h
failed_ago -864000; waits "the clock was set back by days" --retry-delay 1m..1h
is "from now on it counts anew" "$([ "$(sed -n 's/.* failed=\([0-9]*\).*/\1/p' q/nextseq.lock)" -le "$(date +%s)" ] && echo yes)" yes
failed_ago 61; process --retry-delay 1m..1h; attempt_is "and ends" 2

fresh; rm fail
fspl queue-process -q q --retry-delay 1h sh -- -c 'echo > begun; sleep 20' 2>/dev/null & pid=$!
wait_for begun; kill -KILL $pid; wait $pid 2>/dev/null; rm begun; unlocked
process --retry-delay 1h
is "what was interrupted does not wait" "$RC $(tr '\n' ';' < ran)" "0 1 2;2 1;"

fresh; quarantine=(--on-error quarantine --max-attempts 2 --retry-delay 1h)
process "${quarantine[@]}"; attempt_is "with quarantine: the first attempt" 1
waits "with quarantine" "${quarantine[@]}"
failed_ago 3601; echo '[ $FSPL_SEQ != 1 ]' > good
run fspl queue-process -q q "${quarantine[@]}" sh -- -c '. ./good'
is "with quarantine: then aside" "$RC $(state) $(ls q/penstock/quarantine | tr '\n' ' ')" "0 next=3 jobs= fspl-1.fspl fspl-1.fspl.report "

fresh; rm q/jobs/fspl-2.fspl; process --order-by Timestamp --retry-delay 1h
pkt make --seq 7 --secs 1000 > q/jobs/fspl-early.fspl; rm fail
process --order-by Timestamp --retry-delay 1h
is "in order of time: an earlier one runs" "$RC $(tr '\n' ';' < ran) $(files q/jobs)" "0 1 1;7 1; ./fspl-1.fspl"
process --order-by Timestamp --retry-delay 1h
is "in order of time: the other one still waits" "$RC $(tr '\n' ';' < ran)" "0 1 1;7 1;"
failed_ago 3601; process --order-by Timestamp --retry-delay 1h
is "in order of time: until it is due" "$RC $(tr '\n' ';' < ran)" "0 1 1;7 1;1 2;"

newq; rm -f ran; packet_of 'seq => 1, payload => "x" x 3000000' > q/jobs/fspl-1.fspl
bounded 30 fspl queue-process -q q --retry-delay 1h --stall-after 1 --kill-after 1 --on-stall retry sh -- -c 'echo $PENSTOCK_ATTEMPT >> ran; [ $PENSTOCK_ATTEMPT != 1 ] || sleep 30; cat > /dev/null'
is "--on-stall retry is at once all the same" "$RC $(tr '\n' ' ' < ran) $(state)" "0 1 2  next=2 jobs="

for bad in 0 1h..1m x 1m.. '1m 1h'; do fails "'$bad' is refused" 2 fspl queue-process -q q --retry-delay "$bad" true; done
fails "nor does it go with Delete" 2 fspl queue-process -q q --retry-delay 1m --on-error Delete true
finish
