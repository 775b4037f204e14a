#!/bin/bash
# D14: files below the next number are told about, and can be removed.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; echo 3 > q/nextseq; jobs_ 1 2 3
run fspl queue-process -q q true
is "exit status" "$RC" 0
says "told, with name and number" '2 files are older than the next number 3.*fspl-1.fspl \(1\), fspl-2.fspl \(2\)'
is "they stay" "$(state)" "next=4 jobs=fspl-1.fspl fspl-2.fspl"
if ours; then
  jobs_ 4 6; cp q/jobs/fspl-6.fspl q/jobs/fspl-6b.fspl
  is "queue-ls --marks" "$(fspl queue-ls -q q --marks | awk 'NR > 1 { print $1, $3, $4 }' | tr '\n' ';')" \
    "1 old fspl-1.fspl;2 old fspl-2.fspl;4 next fspl-4.fspl;6 waiting fspl-6.fspl;6 duplicate fspl-6b.fspl;"
  cp q/jobs/fspl-1.fspl q/jobs/fspl-1b.fspl
  is "old duplicates are old" "$(fspl queue-ls -q q --marks | grep -c ' old ')" 3
  rc "--remove-old" fspl queue-process -q q --remove-old true
  is "--remove-old removes them, and no other" "$(state)" "next=5 jobs=fspl-6.fspl fspl-6b.fspl"
fi
finish
