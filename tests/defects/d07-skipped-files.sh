#!/bin/bash
# D07: each file that cannot be read or decoded is named, once, with the reason.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
echo junk > q/jobs/fspl-junk.fspl
: > q/jobs/fspl-none.fspl
ln -s nowhere q/jobs/fspl-dangling.fspl
mkdir q/jobs/fspl-dir.fspl
told() {
  lines "$1: junk" 1 'fspl-junk.fspl.*: .'
  lines "$1: empty" 1 'fspl-none.fspl.*: .'
  lines "$1: dangling link" 1 'fspl-dangling.fspl.*: .*link'
  lines "$1: directory" 1 'fspl-dir.fspl.*directory'
  lines "$1: no good file" 0 'fspl-[12].fspl'
}
run fspl queue-ls -q q
is "queue-ls: exit status" "$RC" 0
told queue-ls
run fspl queue-process -q q true
is "queue-process: exit status" "$RC" 0
is "queue-process: good ones are done" "$(cat q/nextseq)" 3
told queue-process
says "queue-process: a count at the end" '4 files'
run fspl queue-info -q q -j 9
is "queue-info: exit status" "$RC" 1
says "queue-info: says that files could not be read" 'no job 9 .*4 files'
if ours; then
  run fspl queue-process -q q --skipped-status 9 true
  is "--skipped-status" "$RC" 9
  run fspl -l error queue-process -q q true
  silent "-l error: silence"
fi
newq; jobs_ 1 2 3
run fspl queue-process -q q -d 'tr a-z b-za' true
is "a wrong decoder: exit status" "$RC" 0
lines "a wrong decoder: every file is named" 3 'fspl-[123].fspl'
newq; job 1
for i in $(seq 1 13); do echo junk > q/jobs/fspl-junk$i.fspl; done
run fspl queue-process -q q true
if ours; then
  lines "many with one reason: three are named" 3 'fspl-junk[0-9]+.fspl'
  says "many with one reason: the others are counted" 'and 10 more files are skipped for the same reason: is not a job file.*13 files could not be read'
  newq; for i in $(seq 1 13); do echo junk > q/jobs/fspl-junk$i.fspl; done
  run fspl -l debug queue-process -q q true
  lines "many with one reason, -l debug: all are named" 13 'fspl-junk[0-9]+.fspl'
  newq; jobs_ 1 2 3 4 5
  run fspl queue-process -q q -d "cat 'no end" true
  is "a decoder that is no command: exit status" "$RC" 0
  lines "a decoder that is no command: told once" 1 'fspl-[1-5].fspl is skipped: the decoder is no valid shell command: '
  says "a decoder that is no command: the others are counted" 'and 4 more files are skipped for the same reason: the decoder.*5 files could not be read'
  for shell in bash dash zsh ksh; do
    command -v $shell > /dev/null || continue
    SHELL=$(command -v $shell) run fspl queue-ls -q q -d 'cat; if'
    lines "a decoder that is no command, $shell: told once" 1 'fspl-[1-5].fspl is skipped: the decoder is no valid shell command: '
  done
  newq; pkt make --seq 1 > plain
  for pair in "gzip -c|gzip" "zstd -qc|zstd" "xz -c|xz" "gpg --batch --homedir $PWD -q --store|OpenPGP"; do
    command -v "${pair%% *}" > /dev/null || continue
    ${pair%|*} < plain > q/jobs/fspl-1.fspl
    run fspl queue-ls -q q
    says "a forgotten decoder: ${pair#*|}" "fspl-1.fspl is skipped: is not a job file, but looks like ${pair#*|} data: was --decoder \\(-d\\) forgotten"
  done
  gzip -c < plain | gzip -c > q/jobs/fspl-1.fspl
  run fspl queue-ls -q q -d 'gzip -dc'
  says "half a decoder" 'fspl-1.fspl is skipped: what the decoder wrote is not a job file, but looks like gzip data: does --decoder lack a stage'
  : > q/jobs/fspl-1.fspl
  run fspl queue-ls -q q -d 'sh -c "echo bad key >&2; exit 2"'
  says "an empty file behind a decoder" 'fspl-1.fspl is skipped: is empty'
  cp plain q/jobs/fspl-1.fspl
  run fspl queue-ls -q q -d 'tail -c 0'
  says "a decoder that writes nothing" 'fspl-1.fspl is skipped: the decoder wrote nothing'
fi
newq; job 1
if [ "$(id -u)" = 0 ]; then
  let_nobody_in; chmod 0 q/jobs/fspl-1.fspl
  run as_nobody fspl queue-ls -q q
  is "no permission: exit status" "$RC" 0
  says "no permission: named with the reason" 'fspl-1.fspl.*Permission denied'
fi
finish
