#!/bin/bash
# D45: a standard output that is closed or full is an error; a reader that went away is no news.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
for command in 'gen-uuid' 'gen-filename' 'queue-ls -q q' 'prepare-get-next -s sf' 'queue-get-next -q q' 'show-license'; do
  run bash -c "fspl $command > /dev/full"
  is "$command, full: exit status" "$RC" 1
  run bash -c "fspl $command >&-"
  is "$command, closed: exit status" "$RC" 1
done
run bash -c 'set -o pipefail; { sleep 0.2; fspl queue-ls -q q; } | :'
is "no reader: exit status" "$RC" 1
silent "no reader: silence"
# With descriptor 1 free, nothing of ours may come to lie there.
run bash -c 'echo input > in; echo 1 > sf; fspl prepare -s sf -i in >&-'
is "prepare, closed: exit status" "$RC" 1
is "prepare, closed: input and lock as they were" "$(cat in) $(stat -c %s sf.lock)" "input 0"
run bash -c 'fspl queue-write -q q <&-'
is "queue-write, stdin closed: exit status" "$RC" 1
is "queue-write, stdin closed: nothing is left" "$(ls q/jobs | tr '\n' ' ')" "fspl-1.fspl fspl-2.fspl "
run bash -c 'fspl queue-process -q q -n 1 true 2>&- <&- >&-'
is "queue-process, all closed" "$RC $(cat q/nextseq)" "0 2"
finish
