#!/bin/bash
# Hostile: file names with control characters, newlines, dots and percent signs, and as long as they can be.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need script
i=0
before=$(files . | wc -w)
newq
for name in $'fspl-\e[2J\a.fspl' $'fspl-a\nb.fspl' 'fspl-..%2F..%2Fetc.fspl' 'fspl-...fspl' $'fspl-\302\233m.fspl' $'fspl-\377.fspl' "fspl-$(printf 'x%.0s' $(seq 1 245)).fspl" 'fspl- a;touch boom.fspl'; do
  i=$((i + 1)); pkt make --seq $i --payload "pay$i" > "q/jobs/$name"
done
script -qec 'fspl queue-ls -q q' /dev/null > shown 2>&1 < /dev/null
is "on a terminal: one line each" "$(tr -d '\r' < shown | grep -cE '^[0-9]+ ')" $i
is "on a terminal: no control characters" "$(tr -d '\r\n' < shown | LC_ALL=C grep -c $'[\001-\037\177]\|\302\233')" 0
run fspl queue-process -q q false
is "a failure: no control characters" "$(tr -d '\n' < "$TMP/err" | LC_ALL=C grep -c $'[\001-\037\177]')" 0
run fspl queue-process -q q sh -- -c 'cat >> got; printf "%s\n" "$FSPL_JOB_FILENAME" >> names'
is "all run" "$RC $(cat got)" "0 $(for ((k = 1; k <= i; k++)); do printf 'pay%d' $k; done)"
is "the command gets the very name" "$(head -2 names | tail -1 | hex)" "$(printf 'fspl-a\n' | hex)"
is "all are gone" "$(files q/jobs)" ""
is "nothing was made elsewhere" "$(there boom) $(there etc)" "no no"
if ours; then
  name=$'fspl-\e[2J..\nx.fspl'; newq; pkt make --seq 1 --payload x > "q/jobs/$name"
  run fspl queue-process -q q --on-error quarantine false
  is "quarantined under its name" "$RC $(there "q/penstock/quarantine/$name")" "0 yes"
  name="fspl-$(printf 'x%.0s' $(seq 1 245)).fspl"; newq; pkt make --seq 1 --payload x > "q/jobs/$name"
  run fspl queue-process -q q --on-error quarantine false
  is "quarantined with the longest name" "$RC $(ls q/penstock/quarantine/*.fspl | wc -l) $(ls q/penstock/quarantine/*.report | wc -l)" "0 1 1"
fi
finish
