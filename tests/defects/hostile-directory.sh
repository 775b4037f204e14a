#!/bin/bash
# Hostile: a directory with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
mkdir q/jobs/fspl-h.fspl
others_go_on "a directory"
finish
