#!/bin/bash
# Hostile: a link to itself with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
ln -s fspl-h.fspl q/jobs/fspl-h.fspl
others_go_on "a link to itself"
finish
