#!/bin/bash
# Hostile: a NUL byte in a parameter, in a variable's value, in its name.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for what in 'params => ["a\0b"]' 'env => [["X", "a\0b"]]' 'env => [["X\0Y", "b"]]'; do
  newq; jobs_ 1 3; rm -f ran; packet_of "seq => 2, $what" > q/jobs/fspl-2.fspl
  stops_its_own_turn "$what" NUL
done
packet_of 'params => ["a\0b"]' > one
runin one fspl stdin-process --allow-job-params true
is "stdin-process: exit status" "$RC" 1
finish
