#!/bin/bash
# Hostile: a FIFO with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
mkfifo q/jobs/fspl-h.fspl
others_go_on "a FIFO"
finish
