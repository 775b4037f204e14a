#!/bin/bash
# D12, D13: a failing write, sync or removal: exit 1, a sentence, and no job lost or passed over.
# control: cannot be staged: fspl commits by other calls
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
injected() { # CALL ERROR N: the run with the Nth such call of the processor failing
  strace -qq -o /dev/null -e trace="$1" -e inject="$1:error=$2:when=$3" fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran' >"$TMP/out" 2>"$TMP/err" </dev/null
  RC=$?
}
for call in fdatasync pwrite64 unlinkat ftruncate; do
  for n in 1 2 3 4; do
    newq; jobs_ 1 2; rm -f ran; : > ran
    injected $call EIO $n
    next=$(cat q/nextseq)
    is "$call $n: told, if it failed" "$([ $RC = 0 ] || grep -q 'Input/output error' "$TMP/err" || cat "$TMP/err")" ""
    is "$call $n: no job is gone that is not done" "$(for j in 1 2; do [ $j -lt "$next" ] || [ -e q/jobs/fspl-$j.fspl ] || echo $j; done)" ""
    is "$call $n: none is passed over" "$(for j in 1 2; do [ $j -ge "$next" ] || grep -qx $j ran || echo $j; done)" ""
    run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
    is "$call $n: the next run goes on" "$RC $(state | sed 's/jobs=.*//') $(sort -u ran | tr '\n' ' ')" "0 next=3  1 2 "
  done
done
newq; pkt make --seq 1 --payload x > one
for call in write fsync linkat; do for n in 1 2; do
  strace -qq -o /dev/null -e trace=$call -e inject=$call:error=ENOSPC:when=$n fspl queue-write -q q < one >/dev/null 2>"$TMP/err"; RC=$?
  is "queue-write, $call $n: an error leaves nothing" "$RC $(ls q/jobs | wc -l)" "$([ $RC = 0 ] && echo '0 1' || echo '1 0')"
  rm -f q/jobs/*
done; done
finish
