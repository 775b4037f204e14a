#!/bin/bash
# D35: --null and --json tell values apart that contain newlines.
# control: cannot be staged: the default form is kept; what is new are the options
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 1 --param $'a\nFSPL_PARAM_2=b' --env $'X=1\n2' > q/jobs/fspl-1.fspl
fspl queue-info -q q -j 1 --null > null
is "--null: ends in NUL" "$(tail -c 1 null | hex)" 00
is "--null: one parameter" "$(perl -0ne 'chomp; print "$_|" if /^FSPL_(PARAM|SET)/' null)" $'FSPL_PARAM_1=a\nFSPL_PARAM_2=b|FSPL_SET_X=1\n2|'
is "-0 is the same" "$(fspl queue-info -q q -j 1 -0 | cmp - null && echo same)" same
get() { perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); print $j->{$ARGV[0]} // "none"' "$1"; }
is "--json: the value" "$(fspl queue-info -q q -j 1 --json | get FSPL_PARAM_1)" $'a\nFSPL_PARAM_2=b'
is "--json: no second parameter" "$(fspl queue-info -q q -j 1 --json | get FSPL_PARAM_2)" none
is "stdin-info --json" "$(fspl stdin-info --json < q/jobs/fspl-1.fspl | get FSPL_SET_X)" $'1\n2'
is "stdin-info -0" "$(fspl stdin-info -0 < q/jobs/fspl-1.fspl | tr -dc '\0' | wc -c)" 7
is "the default is as it was" "$(fspl queue-info -q q -j 1 | grep -c '^FSPL_PARAM_')" 2
fails "--json with --null" 2 fspl queue-info -q q -j 1 --json --null
finish
