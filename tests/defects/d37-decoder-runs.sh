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
# Two copies of job 1, and the decoder of the second is the first to have a header: the first runs all the same.
cat > slow <<'END'
case $(readlink /proc/self/fd/0) in *fspl-1.fspl) sleep 0.5 ;; *fspl-2.fspl) echo run >> runs ;; esac
exec cat
END
newq; jobs_ 1 2 3; cp q/jobs/fspl-1.fspl q/jobs/fspl-1b.fspl
run fspl queue-process -q q -n 2 -d 'sh slow' sh -- -c '[ $FSPL_SEQ = 1 ] || exit 0; for i in $(seq 30); do [ $(wc -l < runs) -lt 2 ] || exit 0; sleep 0.1; done; exit 1'
is "the decoder of a copy was kept in vain: job 2 is looked ahead at during job 1 all the same" "$RC $(state)" "0 next=3 jobs=fspl-3.fspl"
finish
