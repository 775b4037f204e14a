#!/bin/bash
# Hostile: a variable of 130 KiB, a parameter of 130 KiB, and more than fits altogether.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for what in 'env => [["X", "x" x 133120]]' 'params => ["x" x 133120]' 'params => [("p" x 100000) x 30]' 'env => [["X" x 133120, "1"]]'; do
  newq; jobs_ 1 3; rm -f ran; packet_of "seq => 2, $what" > q/jobs/fspl-2.fspl
  stops_its_own_turn "$what" 'too long'
done
finish
