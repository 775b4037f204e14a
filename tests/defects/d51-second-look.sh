#!/bin/bash
# D51: what waits is not decoded in each run (tests/e2e/index.bats has more), a later look decodes only what is new, and
# what says in its name that it is later is not decoded before its turn.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 5 6 7; pkt make --seq 2 --payload two > two
fspl queue-process -q q -d 'echo run >> runs; cat' sh -- -c 'mv two q/jobs/fspl-2.fspl 2>/dev/null; :' 2>/dev/null
is "4 headers, and the new one" "$(grep -c . runs)" 5
is "both have run" "$(cat q/nextseq)" 3
newq; : > runs; jobs_ 2 3 4 5
for n in 2 3 4 5; do mv q/jobs/fspl-$n.fspl q/jobs/fspl-00000000-0000-4000-8000-00000000000$n-$n.fspl; done
job 1
fspl queue-process -q q -d 'echo run >> runs; cat' --maxjobs 1 true 2>/dev/null
is "only the job that is due" "$(grep -c . runs)" 1
finish
