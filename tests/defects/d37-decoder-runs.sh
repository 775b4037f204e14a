#!/bin/bash
# D37: a header is decoded once a run, and the next job's decoder simply goes on.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
count() { grep -c . runs; rm -f runs; }
decoder='echo run >> runs; cat'
newq; jobs_ 1 2 3 4
fspl queue-process -q q -n 1 -d "$decoder" true
is "one job of 4: each header once, the job not again" "$(count)" 4
newq; jobs_ 1 2 3 4
fspl queue-process -q q -d "$decoder" true
is "4 jobs of 4: each header once, and each but the first as a job" "$(count)" 7
newq; jobs_ 1 2 3 4
fspl queue-payload -q q -j 3 -d "$decoder" > got
is "queue-payload: each header once" "$(cat got) $(count)" "pay3 4"
newq; jobs_ 1 2 3 4
fspl queue-info -q q -j 3 -d "$decoder" > /dev/null
is "queue-info: each header once" "$(count)" 4
finish
