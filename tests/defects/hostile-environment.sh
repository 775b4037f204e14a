#!/bin/bash
# Hostile: variables that look like ours, like the loader's, or like nothing.
# control: cannot be staged: fspl passes them on in the same way
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; packet_of 'env => [["A=B", "c"], ["", "empty"], ["LD_PRELOAD", "/nowhere"], ["x", "1"], ["x", "2"]]' > q/jobs/fspl-1.fspl
run fspl queue-process -q q --never-delete env
is "exit status" "$RC" 0
is "all behind the prefix" "$(grep -c '^LD_PRELOAD' "$TMP/out")" 0
is "the last of a name counts" "$(grep '^FSPL_SET_x=' "$TMP/out")" FSPL_SET_x=2
is "a name with =" "$(grep '^FSPL_SET_A=B=c$' "$TMP/out")" FSPL_SET_A=B=c
finish
