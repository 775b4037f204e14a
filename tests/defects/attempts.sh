#!/bin/bash
# PENSTOCK_ATTEMPT counts what was tried: after failures, kills, and a new job.
# control: cannot be staged: fspl does not count
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
try() { fspl queue-process -q q -n 1 sh -- -c "echo \$FSPL_SEQ \$PENSTOCK_ATTEMPT >> log; $1" 2>/dev/null; }
try 'exit 1'; try 'kill -TERM $$'; try 'exit 1'
is "failures" "$(tr '\n' ';' < log)" "1 1;1 2;1 3;"
fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> log; echo > begun; sleep 20' 2>/dev/null & pid=$!
wait_for begun; kill -KILL $pid; wait $pid 2>/dev/null; rm begun
for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
try 'exit 1'
is "kill -9" "$(tail -2 log | tr '\n' ';')" "1 4;1 5;"
fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> log; echo > begun; sleep 20' 2>/dev/null & pid=$!
wait_for begun; kill -TERM $pid; wait $pid 2>/dev/null; rm begun
try true
is "TERM, then success" "$(tail -2 log | tr '\n' ';')" "1 6;1 7;"
try true
is "the next job starts with 1" "$(tail -1 log)" "2 1"
newq; job 1; rm log; try 'exit 1'; cp q/jobs/fspl-1.fspl new; mv new q/jobs/fspl-1.fspl; try 'exit 1'
is "another file of that name starts with 1" "$(tr '\n' ';' < log)" "1 1;1 1;"
newq; job 1; rm log; try 'exit 1'; fspl queue-set-next -q q 1; try 'exit 1'
is "queue-set-next starts anew" "$(tr '\n' ';' < log)" "1 1;1 1;"
newq; job 1; rm log; try 'exit 1'; fspl queue-process -q q -n 0 true; try 'exit 1'
is "a run that tried nothing forgets nothing" "$(tr '\n' ';' < log)" "1 1;1 2;"
is "the real one is not disturbed: the lock file has one line" "$(wc -l < q/nextseq.lock)" 1
finish
