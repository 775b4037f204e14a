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
if ours; then
  lines "told, in one line" 1 .
  says "told" 'job 1 \(fspl-1.fspl\) was done before the crash; its file removed'
  # The same under --order-by Timestamp, where the removal is what counts: it runs again, and is told so.
  newq; jobs_ 1 2; rm -f ran
  strace -f -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:signal=KILL:when=1 fspl queue-process -q q --order-by Timestamp sh -- -c 'echo $FSPL_SEQ >> ran' >/dev/null 2>&1
  for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
  run fspl queue-process -q q --order-by Timestamp sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT $PENSTOCK_PREVIOUS >> ran'
  is "Timestamp: it runs again" "$RC $(tr '\n' ';' < ran) $(state)" "0 1;1 2 interrupted;2 1; next=1 jobs="
  says "Timestamp: told" 'job 1 \(fspl-1.fspl\) was interrupted; running it again as attempt 2'
  real=${ORACLE:-/usr/bin/fspl}
  if [ -x "$real" ]; then
    # Killed before the commit, then fspl does the job; killed after it, then fspl goes on.
    for at in pwrite64:signal=KILL:when=5 unlinkat:signal=KILL:when=1; do
      newq; jobs_ 1 2 3; rm -f ran
      strace -f -qq -o /dev/null -e trace=${at%%:*} -e inject=$at fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran' >/dev/null 2>&1
      for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
      "$real" queue-process -q q -n 1 sh -- -c 'echo $FSPL_SEQ >> ran' 2>/dev/null
      run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> ran'
      is "fspl after a kill at $at: the rest runs, each for the first time" "$RC $(state) $(grep ' ' ran | tr '\n' ';')" \
        "0 next=4 jobs= $([ ${at%%:*} = pwrite64 ] && echo '2 1;')3 1;"
    done
  else
    skip "fspl after a kill" "no real fspl at $real"
  fi
fi
finish
