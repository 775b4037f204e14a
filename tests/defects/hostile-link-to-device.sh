#!/bin/bash
# Hostile: a link to a device with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
ln -s /dev/zero q/jobs/fspl-h.fspl
others_go_on "a link to a device"
finish
