#!/bin/bash
# D41: arguments may be any bytes.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
raw=$(printf 'r\377w')
run fspl queue-init -q "$raw"
is "a queue: exit status" "$RC" 0
is "a queue: made" "$(there "$raw/jobs")" yes
run fspl prepare -s "$raw.seq" -- "$raw"
is "a parameter: exit status" "$RC" 0
cp "$TMP/out" packet
is "a parameter: its bytes" "$(pkt show < packet | sed -n 's/^param=//p' | hex)" "$(printf '%s\n' "$raw" | hex)"
runin packet fspl queue-write -q "$raw"
run fspl queue-process -q "$raw" -d "sh -c 'echo $raw > seen; cat'" printf -- '%s' "$raw"
is "a command: exit status" "$RC" 0
is "a command: its bytes" "$(hex < "$TMP/out")" "$(printf %s "$raw" | hex)"
is "a decoder: its bytes" "$(hex < seen)" "$(printf '%s\n' "$raw" | hex)"
run fspl queue-info -q "$raw" -j 9
is "a message" "$RC" 1
finish
