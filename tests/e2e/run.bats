# penstock run: the status of every stage counts, and the last one commits only if all are good.
load queue_helpers

# piped ARGUMENT...: penstock run; leaves `status`, `took`, T/out and T/err.
piped() {
  local began=$SECONDS
  status=0
  timeout -k 5 60 "$PENSTOCK" run "$@" >"$T/out" 2>"$T/err" || status=$?
  took=$((SECONDS - began))
}

exits() { [ "$status" = "$1" ] || { show; fail "exit status $status, not $1"; }; }

rename=(sh -c 'cat >got/1.tmp && mv got/1.tmp got/1')

@test "run: every byte arrives, whatever the gate" {
  local gate
  random_bytes 3000000 >data
  for gate in hold eof off; do
    rm -f got/1
    piped --gate $gate gzip -c data '|' gzip -dc '|' "${rename[@]}"
    exits 0
    cmp data got/1
  done
  piped --verify before gzip -c data '|' gzip -dc '|' "${rename[@]}"
  exits 0
  cmp data got/1
}

@test "run: the status is that of the first stage that failed, and nothing is committed" {
  local options
  for options in "--gate hold" "--gate eof" "--verify before"; do
    # shellcheck disable=SC2086
    piped $options echo x '|' sh -c 'cat; exit 3' '|' sh -c 'cat; exit 4' '|' "${rename[@]}"
    exits 3
    says "sh exited 3"
    not_committed 1
    # shellcheck disable=SC2086
    piped $options echo x '|' cat '|' sh -c 'cat; kill -9 $$' '|' "${rename[@]}"
    exits 137
    not_committed 1
  done
}

@test "run: the last command's own status" {
  piped echo x '|' sh -c 'cat >/dev/null; exit 5'
  exits 5
  says "the command exited 5"
  piped --gate eof yes '|' sh -c 'head -1; exit 5'
  exits 5
}

@test "run: --gate off lets the last command see the end, and fails all the same" {
  piped --gate off sh -c 'echo x; exit 3' '|' "${rename[@]}"
  exits 3
  says "the last command had exited 0 before that"
  [ "$(cat got/1)" = x ]
}

@test "run: a stage killed by SIGPIPE is excused when its reader was content" {
  piped yes '|' head -1 '|' cat
  exits 0
  [ "$(cat out)" = y ]
  piped --gate eof yes '|' head -1
  exits 0
  piped --early-end close yes '|' head -1
  exits 0
  # But not when it only says the same number, and not when its reader failed.
  piped sh -c 'echo x; exit 141' '|' head -1 '|' "${rename[@]}"
  exits 141
  not_committed 1
  piped yes '|' sh -c 'head -1; exit 6' '|' "${rename[@]}"
  exits 6
  not_committed 1
}

@test "run: --decoder-ok excuses stages before the command, not the command" {
  piped --decoder-ok 2,3 sh -c 'echo x; exit 2' '|' "${rename[@]}"
  exits 0
  [ "$(cat got/1)" = x ]
  piped --decoder-ok 2,3 echo x '|' sh -c 'cat >/dev/null; exit 3'
  exits 3
}

@test "run: 127 for a program that is not there, 126 for one that cannot be executed" {
  : >plain
  piped echo x '|' no-such-program
  exits 127
  says "no-such-program"
  piped no-such-program '|' "${rename[@]}"
  exits 127
  not_committed 1
  piped echo x '|' ./plain
  exits 126
  piped ./plain '|' "${rename[@]}"
  exits 126
  not_committed 1
}

@test "run: 124 when the time is over" {
  piped --timeout 1 sh -c 'echo x; sleep 1000' '|' "${rename[@]}"
  exits 124
  not_committed 1
  [ "$took" -le 8 ]
  no_process_left
}

@test "run: 2 for a pipeline that makes no sense" {
  local words
  for words in "|" "cat |" "| cat" "cat | | cat" ""; do
    # shellcheck disable=SC2086
    piped $words
    exits 2
  done
}

@test "run: one stage reads our standard input" {
  random_bytes 300000 >data
  status=0
  "$PENSTOCK" run sh -c 'cat >got/1' <data || status=$?
  exits 0
  cmp data got/1
  "$PENSTOCK" run --verify before sh -c 'cat >got/2' < <(cat data) || status=$?
  exits 0
  cmp data got/2
  "$PENSTOCK" run cat '|' sh -c 'cat >got/3' < <(cat data) || status=$?
  exits 0
  cmp data got/3
}

@test "run: --report has a line a stage" {
  random_bytes 300000 >data
  piped --report cat data '|' gzip -1 -c '|' sh -c 'cat >/dev/null; exit 7'
  exits 7
  grep -qE 'cat: exited 0, 30[0-9]{4} bytes by read calls, 300000 bytes by write calls, [0-9.]+ s$' err || { show; fail "cat's line"; }
  grep -qE 'gzip: exited 0, 30[0-9]{4} bytes by read calls, 30[0-9]{4} bytes by write calls, [0-9.]+ s$' err || { show; fail "gzip's line"; }
  grep -qE 'sh: exited 7, [0-9]+ bytes by read calls, [0-9]+ bytes by write calls, [0-9.]+ s$' err || { show; fail "the command's line"; }
}

@test "run: --report tells an ordinary user's bytes as well" {
  [ "$(id -u)" = 0 ] || skip "SKIPPED: needs root, to be somebody else"
  install -m 755 "$PENSTOCK" penstock
  chmod 711 "$T"
  (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "$T/penstock" run --report head -c 300000 /dev/zero '|' cat) >out 2>err
  grep -qE 'cat: exited 0, 30[0-9]{4} bytes by read calls, 300000 bytes by write calls, [0-9.]+ s$' err || { cat err; fail "cat's line"; }
}

@test "run: --report counts the command's input to the byte, where it goes through us" {
  random_bytes 300000 >data
  local options
  for options in "--gate hold" "--verify before"; do
    # shellcheck disable=SC2086
    piped $options --report cat data '|' "${rename[@]}"
    exits 0
    says "the command's input: 300000 bytes"
  done
  piped --gate eof --report cat data '|' "${rename[@]}"
  exits 0
  says_not "the command's input"
}

@test "run: stage and command both fail: the first in order counts, whichever was faster" {
  local round
  for round in 1 2 3 4 5; do
    piped sh -c 'echo x; sleep 0.3; exit 3' '|' sh -c 'exit 4'
    exits 3
    piped sh -c 'echo x; exit 3' '|' sh -c 'cat; sleep 0.3; exit 4'
    exits 3
    piped sh -c 'echo x; exit 3' '|' sh -c 'exit 4'
    exits 3
  done
  # It has two seconds for that.
  piped sh -c 'echo x; sleep 1000; exit 3' '|' sh -c 'exit 4'
  exits 4
  [ "$took" -le 5 ]
  piped yes '|' sh -c 'exit 4'
  exits 4
  no_process_left
}

@test "run: --gate eof: a stage that fails because the command has gone does not count" {
  local round
  for round in {1..30}; do
    piped --gate eof bash -c 'trap "" PIPE; while echo y; do :; done 2>/dev/null; exit 3' '|' sh -c 'head -1 >/dev/null; exit 4'
    exits 4
  done
}

@test "run: descriptors above 2 are closed, unless --keep-fds" {
  piped sh -c 'ls /proc/self/fd' 7<"$PENSTOCK"
  exits 0
  if grep -qx 7 out; then fail "7 is open: $(cat out)"; fi
  piped --keep-fds sh -c 'ls /proc/self/fd' 7<"$PENSTOCK"
  grep -qx 7 out || fail "7 is closed: $(cat out)"
}

@test "run: a signal ends the tree, and us by the same signal" {
  "$PENSTOCK" run sh -c 'echo x; : >ready; sleep 1000' '|' "${rename[@]}" 2>err &
  local pid=$!
  until_true [ -e ready ]
  kill -TERM $pid
  status=0
  wait $pid || status=$?
  exits 143
  says "ended by"
  not_committed 1
  no_process_left
}
