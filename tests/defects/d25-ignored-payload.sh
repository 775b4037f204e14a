#!/bin/bash
# D25: under --ignore-payload the command's input is /dev/null.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2; printf 'one\ntwo\nthree\n' > list
while read -r line; do echo "$line" >> seen; fspl queue-process -q q -n 1 --ignore-payload cat > got; done < list
is "a loop keeps its input" "$(tr '\n' ' ' < seen)" "one two three "
is "the command gets nothing" "$(cat got)" ""
is "both are done" "$(state)" "next=3 jobs="
newq; job 1
is "stdin-process: no payload" "$(fspl stdin-process --ignore-payload cat < q/jobs/fspl-1.fspl)" ""
is "with a decoder: no payload" "$(fspl queue-process -q q -d cat --ignore-payload cat)" ""
is "with a decoder: done" "$(state)" "next=2 jobs="
finish
