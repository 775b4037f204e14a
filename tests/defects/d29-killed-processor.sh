#!/bin/bash
# D29: however the processor ends, its job ends before the lock is free.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq
for signal in TERM INT KILL; do
  newq; job 1; rm -f log begun
  command='exec 7>held; flock -n 7 || echo OVERLAP >> log; echo begin >> log; echo $$ > begun; sleep 2; cat > /dev/null; echo end >> log'
  perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' fspl queue-process -q q bash -- -c "$command" 2>/dev/null & pid=$!
  wait_for begun
  kill -$signal $pid; wait $pid 2>/dev/null; RC=$?
  is "$signal: it ends by it" "$RC" $((128 + $(kill -l $signal)))
  for i in $(seq 1 50); do fspl queue-process -q q bash -- -c "$command" 2>/dev/null && break; sleep 0.1; done
  sleep 0.3
  is "$signal: never two at once" "$(grep -c OVERLAP log)" 0
  is "$signal: the first one did not go on" "$(grep -c end log)" 1
  is "$signal: done in the end" "$(state)" "next=2 jobs="
done 2>/dev/null
finish
