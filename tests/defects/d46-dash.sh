#!/bin/bash
# D46: prepare-get-next and prepare-set-next use no file for -s -.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
is "get prints 1" "$(fspl prepare-get-next -s -)" 1
fails "set" 2 fspl prepare-set-next -s - 9
is "no files" "$(ls -A)" ""
finish
