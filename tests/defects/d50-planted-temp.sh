#!/bin/bash
# D50: no predictable temporary file: what somebody planted there is not followed.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
echo mine > victim; echo 1 > sf; ln -s victim sf.temp
fspl prepare-nop -s sf > /dev/null
is "prepare: the victim is as it was" "$(cat victim)" mine
is "prepare: the number is stored" "$(cat sf)" 2
newq; job 1; ln -s ../victim q/nextseq.temp
fspl queue-process -q q true
is "queue-process: the victim is as it was" "$(cat victim)" mine
fspl queue-set-next -q q 7
is "queue-set-next: the victim is as it was" "$(cat victim) $(cat q/nextseq)" "mine 7"
echo precious > st.temp; fspl prepare-set-next -s st 4
is "an own file of that name is kept" "$(cat st.temp)" precious
finish
