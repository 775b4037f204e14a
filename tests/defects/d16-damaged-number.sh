#!/bin/bash
# D16: set-next repairs a damaged number, and Timestamp order does not need one.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for text in 'junk\n' '' '-1\n' '18446744073709551616\n'; do
  newq; printf -- "$text" > q/nextseq; job 7
  run fspl queue-process -q q --order-by Timestamp true
  is "'$text': Timestamp runs" "$RC $(files q/jobs)" "0 "
  is "'$text': Timestamp leaves it alone" "$(cat q/nextseq)" "$(printf -- "$text")"
  run fspl queue-process -q q true
  is "'$text': Sequence does not" "$RC" 1
  rc "'$text': queue-set-next" fspl queue-set-next -q q 7
  is "'$text': repaired" "$(cat q/nextseq)" 7
  printf -- "$text" > sf
  rc "'$text': prepare-set-next" fspl prepare-set-next -s sf 9
  is "'$text': repaired too" "$(cat sf)" 9
done
newq; echo junk > q/nextseq; run fspl queue-process -q q true
says "the message names the file" 'q/nextseq'
finish
