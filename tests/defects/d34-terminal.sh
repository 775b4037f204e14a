#!/bin/bash
# D34: control characters in a file name do not reach a terminal.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need script
newq; job 1; mv q/jobs/fspl-1.fspl "$(printf 'q/jobs/fspl-\033[2J\n\tx.fspl')"
script -qec 'fspl queue-ls -q q' /dev/null > shown 2>&1 < /dev/null
is "no escape on a terminal" "$(grep -c "$(printf '\033')\[2J" shown)" 0
like "a line a job" "$(tr -d '\r' < shown)" '^1 .*fspl-.*x\.fspl$'
run fspl queue-ls -q q
is "raw bytes in a pipe" "$(grep -c "$(printf '\033')\[2J" "$TMP/out")" 1
if ours; then
  run fspl queue-ls -q q --json
  is "--json: the name itself" "$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->[0]{file_name}' "$TMP/out")" "$(printf 'fspl-\033[2J\n\tx.fspl')"
  chmod 0 q/jobs; ln -s nowhere "$(printf 'q/jobs/fspl-\033[3J.fspl')" 2>/dev/null; chmod 755 q/jobs
  run fspl queue-ls -q q
  is "nor in a warning" "$(grep -c "$(printf '\033')" "$TMP/err")" 0
fi
finish
