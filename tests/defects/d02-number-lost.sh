#!/bin/bash
# D02: prepare opens its input before it takes a number, and names a number that it lost.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
echo 7 > sf
fails "missing input" 1 fspl prepare -s sf -i nowhere
is "missing input: the number is free" "$(head -1 sf)" 7
mkdir dir
run fspl prepare -s sf -i dir
is "a directory: exit status" "$RC" 1
is "a directory: the number is free" "$(head -1 sf)" 7
echo payload > in
run bash -c 'fspl prepare -s sf -i in > /dev/full'
is "full disk: exit status" "$RC" 1
is "full disk, nothing written: the number is free" "$(head -1 sf)" 7
if ours; then says "full disk: says so" 'No space left on device.*number 7 is still free'; fi
mkfifo fifo; exec 9<>fifo; echo hello >&9
fspl prepare -s sf -i fifo > out 2> "$TMP/err" & pid=$!
wait_for out
kill -TERM $pid; wait $pid; RC=$?
exec 9>&-
is "ended half-way: fails" "$([ $RC != 0 ] && echo yes)" yes
is "ended half-way: number used" "$(head -1 sf)" 8
says "ended half-way: names the number, and how to fill it" 'number 7 is lost.*prepare-nop --fill 7'
if ours; then
  run fspl prepare-nop --fill 7
  is "--fill: exit status" "$RC" 0
  is "--fill: a NOP of that number" "$(pkt show < "$TMP/out" | grep -E '^(seq|type)=' | tr '\n' ' ')" "seq=7 type=NOP "
  is "--fill: sequence file untouched" "$(head -1 sf)" 8
  run fspl prepare-fail --fill 9
  is "prepare-fail --fill" "$(pkt show < "$TMP/out" | grep -E '^(seq|type)=' | tr '\n' ' ')" "seq=9 type=Fail "
fi
# A reader that does not read must not make prepare deaf to TERM.
mkfifo slow; exec 8<>slow
fspl prepare -s sf -i /dev/zero > slow 2> "$TMP/err" & pid=$!
sleep 0.5; kill -TERM $pid
for i in 1 2 3 4 5 6 7 8 9 10; do [ -z "$(alive $pid)" ] && break; sleep 0.2; done
is "TERM while its reader sleeps: ends" "$(alive $pid)" ""
exec 8>&-; kill -KILL $pid 2>/dev/null; wait $pid
says "TERM while its reader sleeps: names the number" 'number 8 is lost'
finish
