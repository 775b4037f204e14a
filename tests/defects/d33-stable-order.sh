#!/bin/bash
# D33: equal numbers and equal times have an order of their own.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq
for name in m c x a t e q h; do pkt make --seq 3 --payload $name > "q/jobs/fspl-$name.fspl"; done
is "equal in all: by name" "$(fspl queue-ls -q q | awk 'NR > 1 { print $NF }' | sed 's/fspl-\(.\).fspl/\1/' | tr -d '\n')" acehmqtx
newq; n=9
for name in m c x a t e q h; do pkt make --seq $n --secs $((1700000000 + n % 3)) > "q/jobs/fspl-$name.fspl"; n=$((n - 1)); done
fspl queue-process -q q --order-by Timestamp sh -- -c 'echo $FSPL_SEQ >> ran'
is "Timestamp: by time, then number" "$(tr '\n' ' ' < ran)" "3 6 9 4 7 2 5 8 "
finish
