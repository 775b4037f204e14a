#!/bin/bash
# D49: when one job of a chain is missing all later ones fail: so many in a row in the quarantine stop the queue.
# control: cannot be staged: fspl knows no quarantine
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
process() { run fspl queue-process -q q --on-error quarantine "$@"; }
from() { echo "echo \$FSPL_SEQ >> ran; [ \$FSPL_SEQ -lt $1 ]"; }  # jobs from number $1 on fail
stopped() { # NAME COUNT FIRST
  is "$1: exit status" "$RC" 1
  says "$1: says which was the first" "$2 (jobs in a row were|job was) moved to the quarantine, the first was job $3 \\(fspl-$3.fspl\\); the queue stops here: .*quarantine-show -q q $3"
}
newq; jobs_ 1 2 3 4 5 6
process sh -- -c "$(from 2)"
stopped "three in a row" 3 2
is "three in a row: no fourth" "$(tr '\n' ' ' < ran) $(state)" "1 2 3 4  next=5 jobs=fspl-5.fspl fspl-6.fspl"
process sh -- -c "$(from 9)"
stopped "the next run" 3 2
is "the next run: nothing runs" "$(tail -1 ran) $(state)" "4 next=5 jobs=fspl-5.fspl fspl-6.fspl"
process --detailed-exit sh -- -c "$(from 9)"
is "--detailed-exit" "$RC" 1
process --quarantine-limit 4 sh -- -c "$(from 9)"
is "with a higher limit it goes on, and a success ends the row" "$RC $(state) $(grep -c row= q/nextseq.lock)" "0 next=7 jobs= 0"

for limit in 1 2; do
  newq; rm -f ran; jobs_ 1 2 3; process --quarantine-limit $limit sh -- -c "$(from 1)"
  stopped "--quarantine-limit $limit" $limit 1
  is "--quarantine-limit $limit: so many" "$(wc -l < ran)" $limit
done
newq; rm -f ran; jobs_ 1 2 3 4 5; process --quarantine-limit 0 sh -- -c "$(from 1)"
is "--quarantine-limit 0: no limit" "$RC $(state)" "0 next=6 jobs="

newq; rm -f ran; jobs_ 1 2 3 4 5
for i in 1 2 3; do process -n 1 sh -- -c "$(from 1)"; is "run $i of three: goes on" "$RC" 0; done
process -n 1 sh -- -c "$(from 1)"
stopped "counted over several runs" 3 1
is "counted over several runs: no fourth" "$(state)" "next=4 jobs=fspl-4.fspl fspl-5.fspl"

newq; rm -f ran; jobs_ 1 2 3 4 5 6 7 8
for i in 1 2 3 4 5 6 7 8; do process -n 1 sh -- -c '[ $((FSPL_SEQ % 3)) = 0 ]'; done
is "a success between begins anew" "$RC $(state)" "0 next=9 jobs="
newq; jobs_ 1 2 4 5; pkt make --type NOP --seq 3 > q/jobs/fspl-3.fspl
process false
stopped "a job that runs nothing is no success" 3 1

newq; jobs_ 1 2 3 4; process -n 2 false; process -n 2 --max-attempts 2 false
is "an attempt that is not the last does not count" "$RC $(grep -c ' row=2 ' q/nextseq.lock)" "1 1"
process --max-attempts 2 false
stopped "the last one does" 3 1

for way in 'queue-set-next -q q 4' 'quarantine-drop -q q 1' 'quarantine-release -q q 3'; do
  newq; jobs_ 1 2 3 4; process false
  rc "$way" fspl $way
  process true
  is "$way: the queue goes on" "$RC $(cat q/nextseq)" "0 5"
done
real=${ORACLE:-/usr/bin/fspl}
if [ -x "$real" ]; then
  newq; jobs_ 1 2 3 4 5; process -n 2 false; "$real" queue-process -q q -n 1 true; process -n 2 false
  is "fspl has done one between" "$RC $(state)" "0 next=6 jobs="
else
  skip "fspl has done one between" "no real fspl at $real"
fi
fails "not with another policy" 2 fspl queue-process -q q --quarantine-limit 3 true

# Killed anywhere while it moves the second one: that one counts once.
need strace; kills=0
for call in pwrite64 fdatasync fsync linkat unlinkat; do for n in 1 2 3 4 5 6; do
  newq; jobs_ 1 2 3 4; process -n 1 false
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl queue-process -q q --on-error quarantine -n 1 false >/dev/null 2>&1
  [ $? = 137 ] || continue
  kills=$((kills + 1)); unlocked; process false
  [ "$RC $(state)" = "1 next=4 jobs=fspl-4.fspl" ] && grep -q 'first was job 1 ' "$TMP/err" || echo "# $call $n: $RC $(state) $(cat "$TMP/err")"
done; done > counted
is "killed at any step: three, and the first is the first" "$(cat counted)" ""
is "it was killed" "$([ $kills -ge 12 ] && echo yes || echo $kills)" yes
finish
