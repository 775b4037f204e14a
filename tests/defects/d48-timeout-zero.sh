#!/bin/bash
# D48: --timeout 0 is refused.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
fails "queue-process" 2 fspl queue-process -q q --timeout 0 true
fails "stdin-process" 2 fspl stdin-process --timeout 0 true
is "nothing was touched" "$(state)" "next=1 jobs=fspl-1.fspl"
finish
