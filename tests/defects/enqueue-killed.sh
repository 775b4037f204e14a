#!/bin/bash
# enqueue, killed before any of its system calls: the job is there whole or not at all, no number twice, none missing.
# control: cannot be staged: fspl has no enqueue
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
newq; echo 1 > sf; : > sf.lock
kills=0
for call in openat openat2 write fsync fdatasync linkat pwrite64 ftruncate flock; do
  for ((n = 1; n < 40; n++)); do
    strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl enqueue -q q -s sf -i <(echo "$call $n") >/dev/null 2>&1
    [ $? = 137 ] || break
    kills=$((kills + 1))
  done
done
is "killed at many places" "$([ $kills -ge 15 ] && echo yes)" yes
fspl enqueue -q q -s sf -i <(echo last) || echo "# the last one failed"
next=$(fspl prepare-get-next -s sf)
is "numbers: none missing, none twice" "$(fspl queue-ls -q q | awk 'NR > 1 { print $1 }' | sort -n | tr '\n' ' ')" "$(seq 1 $((next - 1)) | tr '\n' ' ')"
fspl queue-process -q q sh -- -c 'cat >> all'
is "every payload whole" "$(grep -cvE '^[a-z0-9]+ [0-9]+$|^last$' all)" 0
is "the queue is empty" "$(state)" "next=$next jobs="
finish
