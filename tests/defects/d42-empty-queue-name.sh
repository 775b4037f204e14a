#!/bin/bash
# D42: -q '' is refused.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for command in 'queue-ls' 'queue-get-next' 'queue-write' 'queue-init'; do fails "$command" 2 fspl $command -q ''; done
finish
