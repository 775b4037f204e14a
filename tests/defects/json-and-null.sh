#!/bin/bash
# queue-ls --json and -0.
# control: cannot be staged: fspl has neither
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
get() { perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); print join ";", map { my $e = $_; join ",", map { $e->{$_} // "" } @ARGV } @$j' "$@"; }
newq; echo 2 > q/nextseq; jobs_ 1 2 4 18446744073709551615; pkt make --seq 4 --payload other > "$(printf 'q/jobs/fspl-\377.fspl')"
run fspl queue-ls -q q --json
is "exit status" "$RC" 0
is "numbers, marks" "$(get id mark < "$TMP/out")" "1,old;2,next;4,conflict;4,conflict;18446744073709551615,waiting"
is "times" "$(get created created_utc < "$TMP/out" | cut -d';' -f1)" "2023-11-14T22:13:20+00:00,2023-11-14T22:13:20Z"
is "a name that is not UTF-8, in hex" "$(get file_name_hex < "$TMP/out" | tr -d ';')" "$(printf 'fspl-\377.fspl' | hex)"
newq; is "an empty queue is an empty list" "$(fspl queue-ls -q q --json | tr -d ' \n')" "[]"
job 1; mv q/jobs/fspl-1.fspl $'q/jobs/fspl-a\nb.fspl'; job 2
is "-0: no heading, an entry each" "$(fspl queue-ls -q q -0 | perl -0ne 'chomp; s/^(\d+) .*?(fspl-)/$1 $2/s; print "$_|"')" $'1 fspl-a\nb.fspl|2 fspl-2.fspl|'
is "without jobs nothing" "$(rm q/jobs/*; fspl queue-ls -q q -0 | wc -c)" 0
finish
