#!/bin/bash
# D04: prepares at the same moment wait for each other.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for i in $(seq 1 20); do (fspl prepare-nop -s sf > "p$i" 2>/dev/null; echo $? > "rc$i") & done; wait
is "20 at once: all succeed" "$(cat rc* | sort -u)" 0
is "20 at once: every number once" "$(for i in $(seq 1 20); do pkt show < "p$i" 2>/dev/null | sed -n 's/^seq=//p'; done | sort -n | tr '\n' ' ')" "$(seq 1 20 | tr '\n' ' ')"
flock sf.lock sleep 1 & sleep 0.2
bounded 10 fspl prepare-nop -s sf
is "a held lock is waited for" "$RC" 0
wait
if ours; then
  flock sf.lock sleep 3 & sleep 0.2
  start=$(date +%s%N)
  run fspl prepare-nop -s sf --lock-wait 0
  is "--lock-wait 0: exit status" "$RC" 1
  is "--lock-wait 0: at once" "$([ $((($(date +%s%N) - start) / 1000000)) -lt 500 ] && echo yes)" yes
  says "--lock-wait 0: says who is busy" 'sf is busy: held by another process'
  start=$(date +%s%N)
  run fspl prepare-nop -s sf --lock-wait 1
  is "--lock-wait 1: exit status" "$RC" 1
  is "--lock-wait 1: after a second" "$(ms=$((($(date +%s%N) - start) / 1000000)); [ $ms -ge 900 ] && [ $ms -lt 2000 ] && echo yes)" yes
  fspl prepare-nop -s sf > /dev/null 2> "$TMP/err" & pid=$!
  sleep 0.3; kill -TERM $pid; sleep 0.3
  is "TERM while it waits: ends" "$(alive $pid)" ""
  wait
fi
finish
