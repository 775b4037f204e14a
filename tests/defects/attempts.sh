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
newq; job 1; mv q/jobs/fspl-1.fspl q/jobs/fspl-m.fspl; rm log
try 'exit 1'; cp q/jobs/fspl-m.fspl q/jobs/fspl-b.fspl; try 'exit 1'
is "an identical copy that comes later is no first attempt" "$(tr '\n' ';' < log)" "1 1;1 2;"
is "queue-sweep removes the copy" "$(fspl queue-sweep -q q --apply >/dev/null 2>&1; ls q/jobs)" fspl-m.fspl
newq; job 1; rm log
try 'exit 1'; fspl queue-process -q q --require-seal true 2>/dev/null
fspl queue-process -q q sh -- -c 'echo "$PENSTOCK_ATTEMPT $PENSTOCK_PREVIOUS" >> log' 2>/dev/null
is "a job that was refused was not run" "$(tail -1 log)" "3 failed: not run"
newq; job 1; rm log
previous() { fspl queue-process -q q "$@" 2>/dev/null; }
tell='echo "$FSPL_SEQ $PENSTOCK_ATTEMPT ${PENSTOCK_PREVIOUS-none}" >> log;'
previous sh -- -c "$tell exit 3"
previous sh -- -c "$tell kill -KILL \$\$"
previous --timeout 1 sh -- -c "$tell sleep 20"
previous -d 'cat; exit 1' sh -- -c "$tell cat > /dev/null"
fspl queue-process -q q sh -- -c "$tell echo > begun; sleep 20" 2>/dev/null & pid=$!
wait_for begun; kill -TERM $pid; wait $pid 2>/dev/null; rm begun
run fspl queue-process -q q sh -- -c "$tell true"
# Whether the command has begun before its decoder fails is chance.
is "PENSTOCK_PREVIOUS" "$(grep -v '^1 4' log | tr '\n' ';')" \
  "1 1 none;1 2 failed: exit 3;1 3 failed: killed by SIGKILL;1 5 failed: decoder;1 6 interrupted;"
says "an interrupted job is told when it runs again" 'job 1 \(fspl-1.fspl\) was interrupted; running it again as attempt 6'
newq; job 1; rm log; previous --timeout 1 sh -- -c "$tell sleep 20"
fspl queue-process -q q sh -- -c "$tell echo > begun; sleep 20" 2>/dev/null & pid=$!
wait_for begun; kill -KILL $pid; wait $pid 2>/dev/null; rm begun
for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
run fspl queue-process -q q -n 0 true
silent "nothing is said before it runs again"
run env PENSTOCK_PREVIOUS=x fspl queue-process -q q sh -- -c "$tell exit 1"
lines "kill -9: told once" 1 'was interrupted; running it again as attempt 3'
run fspl queue-process -q q sh -- -c "$tell true"
lines "a failed one is not" 0 .
job 2; run env PENSTOCK_PREVIOUS=x fspl queue-process -q q sh -- -c "$tell true"
is "PENSTOCK_PREVIOUS after kill -9" "$(tr '\n' ';' < log)" \
  "1 1 none;1 2 failed: timeout;1 3 interrupted;1 4 failed: exit 1;2 1 none;"
newq; job 1; rm log; try 'exit 1'; cp q/jobs/fspl-1.fspl new; mv new q/jobs/fspl-1.fspl; try 'exit 1'
is "another file of that name starts with 1" "$(tr '\n' ';' < log)" "1 1;1 1;"
newq; job 1; rm log; try 'exit 1'; fspl queue-set-next -q q 1; try 'exit 1'
is "queue-set-next starts anew" "$(tr '\n' ';' < log)" "1 1;1 1;"
newq; job 1; rm log; try 'exit 1'; fspl queue-process -q q -n 0 true; try 'exit 1'
is "a run that tried nothing forgets nothing" "$(tr '\n' ';' < log)" "1 1;1 2;"
is "the real one is not disturbed: the lock file has one line" "$(wc -l < q/nextseq.lock)" 1
finish
