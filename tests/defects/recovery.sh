#!/bin/bash
# D14, D29: what kill -9 leaves between commit and removal is removed by the next run, and does not run again.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
newq; jobs_ 1 2
strace -f -qq -o /dev/null -e trace=unlink,unlinkat -e inject=unlink,unlinkat:signal=KILL:when=1 fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran' >/dev/null 2>&1
RC=$?; for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
is "killed before the removal" "$(there q/jobs/fspl-1.fspl)" yes
is "killed after the commit" "$RC $(cat q/nextseq)" "137 2"
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "the next run: exit status" "$RC" 0
is "each has run once" "$(tr '\n' ' ' < ran)" "1 2 "
is "nothing is left" "$(state)" "next=3 jobs="
finish
