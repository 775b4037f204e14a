#!/bin/bash
# queue-process --lock-wait, and what a busy queue says.
# control: cannot be staged: fspl does not wait
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
flock q/nextseq.lock sleep 1 & sleep 0.2
run fspl queue-process -q q true
is "by default: at once" "$RC $(state)" "1 next=1 jobs=fspl-1.fspl"
says "told" '^penstock queue-process: q is busy: held by another process'
run fspl queue-process -q q --lock-wait 10 true
is "waits" "$RC $(state)" "0 next=2 jobs="
flock q/nextseq.lock sleep 3 & sleep 0.2
start=$(date +%s%N); run fspl queue-process -q q --lock-wait 1 true; ms=$((($(date +%s%N) - start) / 1000000))
is "no longer than told" "$RC $([ $ms -ge 900 ] && [ $ms -lt 2000 ] && echo yes)" "1 yes"
wait
for i in 1 2 3 4 5 6 7 8 9 10; do job $i; done; echo 1 > q/nextseq
for i in $(seq 1 10); do fspl queue-process -q q -n 1 true || echo BUSY >> busy; done 2>/dev/null
is "a run right after another finds it free" "$(there busy) $(state)" "no next=11 jobs="
finish
