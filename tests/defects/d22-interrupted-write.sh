#!/bin/bash
# D22: queue-write that is interrupted leaves nothing, and what others left is swept.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; mkfifo fifo
for signal in KILL TERM INT; do
  exec 9<>fifo; echo half >&9
  bash -c 'trap - INT; exec fspl queue-write -q q' < fifo 2>/dev/null & pid=$!
  sleep 0.3
  [ $signal = INT ] || { kill -$signal $pid; wait $pid 2>/dev/null; is "$signal: nothing is left" "$(files q/jobs)" ""; }
  kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null; exec 9>&-
done 2>/dev/null
runin "$W" fspl queue-write -q q
is "a read error: exit status" "$RC" 1
is "a read error: nothing is left" "$(files q/jobs)" ""
touch -d '3 days ago' q/jobs/tmp-fspl-1.fspl.tmp q/jobs/tmp-notes; touch q/jobs/tmp-fspl-2.fspl.tmp
run fspl queue-process -q q true
is "old ones are swept, new ones and other names are not" "$(files q/jobs)" "./tmp-fspl-2.fspl.tmp ./tmp-notes"
finish
