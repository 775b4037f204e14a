#!/bin/bash
# A limit on the size of files (ulimit -f) is a write that failed, told as any other; a command keeps the signal.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
head -c 100000 /dev/zero > big
limited() { (ulimit -f 8; exec "$@"); }
limited fspl prepare -s sf -i big > out 2> "$TMP/err"
is "prepare: exit status" "$?" 1
says "prepare: told, and how to fill the number" 'File too large; number 1 is lost.*prepare-nop --fill 1'
is "prepare: the number is used" "$(cat sf)" 2
rm -f out; limited fspl prepare -s sf -i big >> big 2> "$TMP/err"
is "prepare, nothing written: exit status" "$?" 1
says "prepare, nothing written: the number is free" 'File too large; nothing was written, and number 2 is still free'
newq; limited fspl queue-write -q q < big 2> "$TMP/err"
is "queue-write: exit status" "$?" 1
is "queue-write: nothing is left" "$(files q/jobs)" ""
job 1; limited fspl queue-process -q q sh -- -c 'exec head -c 100000 /dev/zero > written' 2> "$TMP/err"
says "the command gets the signal" 'the command was killed by SIGXFSZ'
limited env --ignore-signal=XFSZ fspl queue-process -q q sh -- -c 'exec head -c 100000 /dev/zero > written' 2> "$TMP/err"
says "unless the caller ignored it" 'the command exited 1'
finish
