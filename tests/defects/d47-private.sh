#!/bin/bash
# D47: queue-init --private.
# control: cannot be staged: the default is fspl's, by promise
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 022; fspl queue-init -q q --private
is "modes" "$(stat -c '%a' q q/jobs q/nextseq q/nextseq.lock | tr '\n' ' ')" "700 700 600 600 "
fspl queue-init -q plain
is "default: the umask" "$(stat -c '%a' plain plain/jobs plain/nextseq plain/nextseq.lock | tr '\n' ' ')" "755 755 644 644 "
job 1; fspl queue-process -q q true
is "modes stay" "$(stat -c '%a' q/nextseq q/nextseq.lock | tr '\n' ' ')" "600 600 "
finish
