#!/bin/bash
# Hostile: what lies where SaveBoth would write.
# control: cannot be staged: fspl too follows a link of that name, by promise
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1; mkdir q/jobs/fspl-1.fspl.out
bounded 5 fspl queue-process -q q --output-to SaveBoth sh -- -c 'echo ran > ran'
is "a directory: exit status" "$RC" 1
is "a directory: the command has not run" "$(there ran) $(state)" "no next=1 jobs=fspl-1.fspl fspl-1.fspl.out"
says "a directory: told" 'fspl-1.fspl.out.*Is a directory'
finish
