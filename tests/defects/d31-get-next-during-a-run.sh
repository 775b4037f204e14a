#!/bin/bash
# D31: queue-get-next works while the queue is processed, and for those who may only read it.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
run fspl queue-process -q q sh -- -c 'fspl queue-get-next -q q'
is "inside a run" "$(tr '\n' ' ' < "$TMP/out")" "1 2 "
if [ "$(id -u)" = 0 ]; then
  let_nobody_in
  run as_nobody fspl queue-get-next -q q
  is "read only" "$RC $OUT" "0 3"
fi
finish
