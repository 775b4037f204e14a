#!/bin/bash
# D19: nothing follows the last number.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
echo 18446744073709551615 > sf
fails "prepare-nop" 1 fspl prepare-nop -s sf
is "the file is as it was" "$(cat sf)" 18446744073709551615
says "message" '18446744073709551615'
newq; echo 18446744073709551615 > q/nextseq; job 18446744073709551615
run fspl queue-process -q q sh -- -c 'echo ran > ran'
is "queue-process: exit status" "$RC" 1
is "queue-process: number and job stay" "$(state)" "next=18446744073709551615 jobs=fspl-18446744073709551615.fspl"
rc "prepare-set-next 0" fspl prepare-set-next -s sf 0
run fspl prepare-nop -s sf
is "0 is a number like another" "$RC $(pkt show < "$TMP/out" | sed -n 's/^seq=//p')" "0 0"
finish
