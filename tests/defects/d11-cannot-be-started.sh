#!/bin/bash
# D11: a packet that no command can be given is a failed job; a missing COMMAND stops before the first.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
try() { # what
  bounded 20 fspl queue-process -q q --allow-job-params --on-error Delete sh -- -c 'echo $FSPL_SEQ >> ran' sh
  is "$1, Delete: exit status" "$RC" 0
  is "$1, Delete: the next one runs" "$(cat ran 2>/dev/null)" 2
  is "$1, Delete: both are gone" "$(state)" "next=3 jobs="
  rm -f ran
}
newq; job 2; packet_of 'params => ["a\0b"]' > q/jobs/fspl-1.fspl; cp q/jobs/fspl-1.fspl nul; try "NUL in a parameter"
newq; job 2; packet_of 'env => [["X", "a\0b"]]' > q/jobs/fspl-1.fspl; try "NUL in a variable"
newq; job 2; packet_of 'env => [["X", "x" x 133120]]' > q/jobs/fspl-1.fspl; try "a variable of 130 KiB"
newq; job 2; packet_of 'params => [("p" x 100000) x 30]' > q/jobs/fspl-1.fspl; try "too long altogether"
newq; job 2; cp nul q/jobs/fspl-1.fspl
bounded 20 fspl queue-process -q q --allow-job-params true
is "Retry: exit status" "$RC" 1
is "Retry: blocks, as a failed job does" "$(state)" "next=1 jobs=fspl-1.fspl fspl-2.fspl"
says "Retry: names job, file and reason" 'job 1 \(fspl-1.fspl\).*NUL'
printf '#!/no/such/interpreter\n' > badly; chmod +x badly
for command in no-such-command ./dir ./plain ./gone/x ./badly; do
  newq; jobs_ 1 2; mkdir -p dir; : > plain
  bounded 20 fspl queue-process -q q --on-error Delete "$command"
  is "COMMAND $command: exit status" "$RC" 1
  if ours; then lines "COMMAND $command: told before a job is tried" 1 "^penstock queue-process: start $command: "; fi
  is "COMMAND $command: no job is lost" "$(state)" "next=1 jobs=fspl-1.fspl fspl-2.fspl"
done
if ours; then
  says "a bad interpreter is named" 'start ./badly: its interpreter /no/such/interpreter: No such file'
  rm badly; printf '#!/bin/sh\nexit 3\n' > badly; chmod +x badly
  bounded 20 fspl queue-process -q q ./badly
  says "a command that could not be started was no attempt" 'job 1 .*exited 3.*\(attempt 1\)'
fi
finish
