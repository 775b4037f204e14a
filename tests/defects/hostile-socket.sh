#!/bin/bash
# Hostile: a socket with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) and bind(S, sockaddr_un("q/jobs/fspl-h.fspl")) or die'
others_go_on "a socket"
finish
