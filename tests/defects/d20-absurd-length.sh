#!/bin/bash
# D20: an absurd header length costs one file, and no memory.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
for n in 60 40 33 32 31; do pkt make --seq 1 --len $((1 << n)) > "q/jobs/fspl-len$n.fspl"; done
sanitized=; grep -qa __asan_init "$BIN" && sanitized=1
limited() { bounded 20 bash -c '[ -n "$0" ] || ulimit -v 400000; exec "$@"' "$sanitized" "$@"; }
limited fspl queue-ls -q q
is "queue-ls: exit status" "$RC" 0
is "queue-ls: the others" "$(awk 'NR > 1 { print $1 }' "$TMP/out" | tr '\n' ' ')" "1 2 "
lines "queue-ls: each named" 5 'fspl-len[0-9]+.fspl'
limited fspl queue-ls -q q -d cat
is "with a decoder: the others" "$RC $(awk 'NR > 1 { print $1 }' "$TMP/out" | tr '\n' ' ')" "0 1 2 "
limited fspl queue-info -q q -j 2
is "queue-info: exit status" "$RC" 0
limited fspl queue-process -q q true
is "queue-process: the others run" "$RC $(cat q/nextseq)" "0 3"
runin q/jobs/fspl-len60.fspl bash -c '[ -n "$0" ] || ulimit -v 400000; exec fspl stdin-info' "$sanitized"
is "stdin-info: exit status" "$RC" 1
finish
