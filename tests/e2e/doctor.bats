# penstock doctor: pipelines of real programs, looked at from outside.
bats_require_minimum_version 1.5.0
load queue_helpers

setup() {
  begin_test
  cd "$T" || return 1
  ours=()
}

teardown() {
  local pid
  for pid in "${ours[@]}"; do kill -KILL "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null; done
  for pid in "${ours[@]}"; do wait "$pid" 2>/dev/null; done
  cd / || return 1
  end_test
}

# doctor ARGUMENT...: leaves `status`, T/out and T/err.
doctor() {
  status=0
  timeout -k 5 60 "$PENSTOCK" doctor "$@" >"$T/out" 2>"$T/err" 3>&- || status=$?
}

show() { echo "exit status $status"; sed 's/^/stdout: /' "$T/out"; sed 's/^/stderr: /' "$T/err"; }
exits() { [ "$status" = "$1" ] || { show; fail "exit status $status, not $1"; }; }
# Wherever the lines were broken.
prints() { tr -s ' \n' ' ' <"$T/out" | grep -qF -- "$1" || { show; fail "does not print: $1"; }; }
prints_not() { if tr -s ' \n' ' ' <"$T/out" | grep -qF -- "$1"; then show; fail "prints: $1"; fi; }
# json FILTER: of what was printed; must be true.
json() { jq -e "$1" "$T/out" >"$T/jq" 2>&1 || { show; cat "$T/jq"; fail "not so: $1"; }; }
# One line on standard error, nothing on standard output.
one_line() {
  if [ "$(wc -l <"$T/err")" != 1 ] || [ -s "$T/out" ]; then show; fail "not one line of complaint"; fi
}

sleeps_in() { grep -q "$2" "/proc/$1/wchan"; }
is_in_state() { [ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = "$2" ]; }

# bare COMMAND...: without the descriptors above 2, of which bats has some that are pipes. In a process of its own.
bare() {
  local fd
  for fd in "/proc/$BASHPID/fd"/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
  done
  exec "$@"
}
is_named() { [ "$(cat "/proc/$1/comm")" = "$2" ]; }

# sleep | cat: `first` and `last` are their pids.
start_quiet() {
  set -m # a group of its own, as from a shell with job control
  bare sleep 1000 </dev/null 2>/dev/null | bare cat >sink 2>/dev/null &
  set +m
  last=$! first=$(jobs -p %+)
  ours+=("$first" "$last")
  until_true is_named "$first" sleep
  until_true is_named "$last" cat
  until_true sleeps_in "$last" pipe
}

# yes | cat, with cat stopped.
start_stopped() {
  set -m
  bare yes </dev/null 2>/dev/null | bare cat >/dev/null 2>&1 &
  set +m
  last=$! first=$(jobs -p %+)
  ours+=("$first" "$last")
  until_true is_named "$last" cat
  kill -STOP "$last"
  until_true is_in_state "$last" T
  until_true sleeps_in "$first" pipe
}

quick=(--interval 0.2)

@test "doctor: a source that has nothing yet is no alarm" {
  start_quiet
  doctor "${quick[@]}" "$last"
  exits 0
  prints "nothing is stuck: sleep $first -> cat $last"
  prints "R49"
  doctor "${quick[@]}" --json "$first"
  exits 0
  json ".schema == 1 and .verdict == \"fine\" and .unknown == [] and .kernel == \"$(uname -r)\""
  json '[.findings[] | select(.severity == "stuck")] == []'
  json ".findings[0] | .rule == \"R49\" and .culprit.pid == $first and .culprit.cmdline == [\"sleep\", \"1000\"]"
}

@test "doctor: a stopped reader is the cause, its writer a victim" {
  start_stopped
  doctor "${quick[@]}" "$first"
  exits 1
  grep -q '^STUCK for .*: .* (R27, certain)$' out || { show; fail "no headline"; }
  prints "yes $first --"
  prints "^ culprit"
  prints "kill -CONT $last"
  doctor "${quick[@]}" --json "$last"
  exits 1
  json '.verdict == "stuck"'
  json ".findings[0] | .rule == \"R27\" and .severity == \"stuck\" and .certainty == \"certain\" and .since_s >= 0.1"
  json ".findings[0].culprit | .pid == $last and .comm == \"cat\" and .start_time > 0"
  json "[.findings[0].victims[].pid] | index($first) != null"
  json '.findings[0].evidence | length > 0'
  json '.findings[0].remedies[0] | has("step") and has("command") and has("risk") and has("safe")'
  json ".graph.edges[] | select(.from == \"$first\" and .to == \"$last\") | .kind == \"pipe-full\" and .strong"
  json '[.findings[] | select(.severity == "stuck")] | length == 1'
}

@test "doctor: a whole job that was stopped is one finding" {
  start_stopped
  kill -STOP "$first"
  until_true is_in_state "$first" T
  doctor "${quick[@]}" "$last"
  exits 1
  prints "yes $first and cat $last are stopped, as one job"
  prints "kill -CONT $first $last"
  doctor "${quick[@]}" --json "$last"
  json "[.findings[] | select(.severity == \"stuck\")] | length == 1"
  json ".findings[0] | .culprit.pid == $first and (.companions | map(.pid) == [$last])"
}

# has_slept SECONDS PID: none of its threads runs for so long.
has_slept() {
  local was
  was=$(cat /proc/"$2"/task/*/status | grep ctxt)
  sleep "$1"
  [ "$was" = "$(cat /proc/"$2"/task/*/status | grep ctxt)" ]
}

@test "doctor: whose sleep nobody shows the end of is unknown, where somebody asks" {
  set -m
  bare python3 -c 'import threading; l = threading.Lock(); l.acquire(); l.acquire()' </dev/null 2>/dev/null |
    bare cat >/dev/null 2>&1 &
  set +m
  local reader=$! locked
  locked=$(jobs -p %+)
  bare python3 -c '
import os, socket
a, b = socket.socketpair()
if os.fork() == 0: a.close(); b.recv(1)
b.close(); a.recv(1)' </dev/null >/dev/null 2>&1 &
  local asker=$!
  ours+=("$locked" "$reader" "$asker")
  until_true sleeps_in "$locked" futex
  until_true sleeps_in "$asker" unix_stream
  ours+=("$(pgrep -P "$asker")")
  # An agent may take a few seconds to answer: nobody is unknown at once.
  doctor "${quick[@]}" "$asker"
  exits 0
  until_true has_slept 5 "$locked"
  doctor "${quick[@]}" "$reader"
  exits 2
  prints "unknown: 1 process could not be judged; another one waits for it python3 $locked --"
  prints "unknown: python3 $locked: its only thread waits for a lock within the program"
  prints_not "nothing is stuck"
  doctor "${quick[@]}" --json "$locked"
  exits 2
  json ".verdict == \"unknown\" and (.unknown | map(.pid) == [$locked])"
  doctor "${quick[@]}" "$asker"
  exits 2
  prints "unknown: python3 $asker: waits for an answer on UNIX socket "
  # Services sleep like that as well: nobody asked about these two.
  doctor "${quick[@]}" --all --json
  json "[.unknown[] | select(.pid == $asker)] == []"
}

@test "doctor: a write end that somebody else was left with" {
  # In sessions of their own: a neighbour in the same job could be the one that should write, and so could anybody in the
  # tests' own session whom we may not look into.
  exec 7> >(exec setsid cat >/dev/null 2>&1 3>&-)
  local cat=$!
  setsid sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
  local holder=$!
  exec 7>&-
  ours+=("$holder" "$cat")
  until_true is_named "$holder" sleep
  until_true sleeps_in "$cat" pipe
  doctor "${quick[@]}" --json "$cat"
  exits 1
  json ".findings[0] | (.rule == \"R11\" or .rule == \"R12\") and .culprit.pid == $holder"
  json "[.findings[0].victims[].pid] | index($cat) != null"
  json ".findings[0].pipe | .bytes == 0 and .hidden_holder == false and (.writers | map(.pid) == [$holder])"
  json ".findings[0].pipe.writers[0].fds == [7]"
  json ".findings[0].pipe.readers[] | select(.pid == $cat) | .fds == [0]"
}

@test "doctor: a process that waits for itself" {
  setsid perl -e 'pipe(R, W); sysread(R, $x, 1)' </dev/null >/dev/null 2>&1 3>&- &
  local perl=$!
  ours+=("$perl")
  until_true sleeps_in "$perl" pipe
  doctor "${quick[@]}" --json "$perl"
  exits 1
  json ".findings[0] | .rule == \"R15\" and .certainty == \"certain\" and .culprit.pid == $perl"
}

@test "doctor: another user hears 'unknown', never 'nothing is stuck'" {
  [ "$(id -u)" = 0 ] || skip "SKIPPED: not root"
  start_stopped
  kill -CONT "$last"
  kill -STOP "$first"
  until_true sleeps_in "$last" pipe
  chmod 711 "$T"
  status=0
  (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "$PENSTOCK" doctor "${quick[@]}" "$last") >out 2>err || status=$?
  exits 2
  prints "unknown: cat $last"
  prints "run as root to see"
  prints_not "nothing is stuck"
  start_quiet
  status=0
  (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "$PENSTOCK" doctor "${quick[@]}" --json "$first" "$last") >out 2>err || status=$?
  exits 2
  json ".verdict == \"unknown\" and ([.unknown[].pid] - [$first, $last] == []) and .findings == []"
  prints_not "nothing is stuck"
}

@test "doctor: bad command lines, one line each" {
  local line
  while read -r line; do
    # shellcheck disable=SC2086
    doctor $line
    exits 2
    one_line
  done <<'LINES'
x
0
1 x
-- -1
99999999
4194304
18446744073709551615
--interval 0 1
--interval 1e3 1
--interval= 1
--heal=H2 1
--heal=H3
--heal=H5 --watch
--heal=H9 1
--heal= 1
--job 1
-q q
--job 1 -q q 1
--job x -q q
--job 1 -q no-such-queue
--session --all
--all 1
--self 1
--self --heal
--self --graph
--json --graph 1
--json --dot 1
--graph --dot 1
--redact 1
--load no-such-file
--load file --heal
--load file --watch
--load file --save other
--load file 1
--watch --save file 1
--watch --dot 1
--bogus
LINES
}

@test "doctor: what was saved is judged alike elsewhere, and can be redacted" {
  start_stopped
  doctor "${quick[@]}" --save pair --json "$last"
  exits 1
  [ "$(stat -c %a pair)" = 600 ]
  jq -S '.findings' out >live
  doctor --load pair --json
  exits 1
  jq -S '.findings' out >loaded
  diff live loaded
  # An old file is replaced as a whole.
  start_quiet
  chmod 644 pair
  doctor "${quick[@]}" --save pair --redact "$last"
  exits 0
  [ "$(stat -c %a pair)" = 600 ]
  if grep -q '"1000"' pair; then fail "an argument was saved"; fi
  doctor --load pair
  exits 0
  prints "sleep $first -> cat $last"
  [ -z "$(find . -name '.penstock*')" ]
  doctor "${quick[@]}" --save no/such/pair "$last"
  exits 2
  one_line
}

@test "doctor: --save writes into pipes and through links, --load reads from pipes" {
  start_quiet
  mkfifo fifo
  cat fifo >copy &
  ours+=($!)
  doctor "${quick[@]}" --save fifo "$last"
  exits 0
  wait $!
  [ -p fifo ] || fail "the pipe was replaced"
  doctor --load <(cat copy)
  exits 0
  prints "sleep $first -> cat $last"
  echo old >target
  ln -s target link
  doctor "${quick[@]}" --save link "$last"
  exits 0
  [ -L link ] || fail "the link was replaced"
  cmp -s <(head -c 10 target) <(head -c 10 copy) || fail "its target was not written"
  doctor "${quick[@]}" --save . "$last"
  exits 2
  one_line
}

@test "doctor: --self looks past what it may not look into" {
  [ "$(id -u)" = 0 ] || skip "SKIPPED: needs root, to be somebody else"
  mkdir -m 700 closed
  # The build may lie where nobody else may look.
  install -m 755 "$PENSTOCK" penstock
  chmod 711 "$T"
  run -0 setpriv --reuid=65534 --regid=65534 --clear-groups env PATH="$PWD/closed:$PATH" "$T/penstock" doctor --self
  [[ $output == *gpg* ]] || fail "$output"
}

@test "doctor: damaged files are refused in one line" {
  start_quiet
  doctor "${quick[@]}" --save good "$last"
  exits 0
  local size bad
  size=$(stat -c %s good)
  : >empty
  head -c $((size / 2)) good >half
  echo '{}' >object
  echo '[[[[' >brackets
  head -c 100000 /dev/urandom >noise
  sed 's/"taken_s"/"Taken_s"/' good >renamed
  mkdir directory
  for bad in empty half object brackets noise renamed directory; do
    doctor --load $bad
    exits 2
    one_line
    grep -q "$bad" err || { show; fail "does not name the file"; }
  done
}

@test "doctor: --watch tells each change once, and TERM ends it" {
  start_quiet
  "$PENSTOCK" doctor "${quick[@]}" --watch --json "$last" >out 2>err 3>&- &
  local watcher=$!
  ours+=("$watcher")
  until_true has_lines 1
  kill -STOP "$last"
  until_true has_lines 2
  # Nothing changes for three rounds.
  sleep 0.7
  kill -CONT "$last"
  until_true has_lines 3
  kill -TERM "$watcher"
  status=0
  wait "$watcher" || status=$?
  exits 0
  [ "$(jq -r .verdict out | tr '\n' ' ')" = "fine stuck fine " ] || { show; fail "other verdicts"; }
  [ ! -s err ]
}

has_lines() { [ "$(wc -l <out)" -ge "$1" ]; }

@test "doctor: --watch ended in the middle of a standstill says so by its status" {
  start_stopped
  "$PENSTOCK" doctor "${quick[@]}" --watch "$last" >out 2>err 3>&- &
  local watcher=$!
  ours+=("$watcher")
  until_true grep -q R27 out
  kill -TERM "$watcher"
  status=0
  wait "$watcher" || status=$?
  exits 1
}

@test "doctor: --watch ends with those it watches" {
  start_quiet
  "$PENSTOCK" doctor "${quick[@]}" --watch "$last" >out 2>err 3>&- &
  local watcher=$!
  until_true has_lines 1
  kill "$first"
  status=0
  wait "$watcher" || status=$?
  exits 0
  prints "have ended"
}

@test "doctor: without arguments, this session; not the doctor, nor who waits for it or reads it" {
  (bare setsid bash -c '
    sleep 1000 | cat >/dev/null &
    echo "$(jobs -p %+) $!" >pids
    until grep -q pipe "/proc/$!/wchan"; do sleep 0.05; done
    "$PENSTOCK" doctor --interval 0.2 --json | cat >out; echo "${PIPESTATUS[0]}" >status
    "$PENSTOCK" doctor --interval 0.2 --session | tee text | cat >/dev/null
    kill $(cat pids)' </dev/null >/dev/null 2>err)
  read -r first last <pids
  [ "$(cat status)" = 0 ]
  [ "$(jq -c '[.graph.nodes[].id] | sort' out)" = "$(jq -nc "[\"$first\", \"$last\"] | sort")" ] || { cat out; false; }
  grep -qF "nothing is stuck: sleep $first -> cat $last" text || { cat text; false; }
}

@test "doctor: --all sees other sessions" {
  start_stopped
  doctor "${quick[@]}" --all --json
  exits 1
  json ".findings[] | select(.rule == \"R27\" and .culprit.pid == $last)"
}

@test "doctor: the running job of a queue" {
  penstock queue-init -q q
  echo payload | add_job_to q
  "$PENSTOCK" queue-process -q q -d 'sh -c "cat; exec sleep 1000 >/dev/null"' "$root/tests/support/commit_at_eof" -- "$T" >run 2>&1 3>&- &
  local run=$!
  ours+=("$run")
  until_true decoder_sleeps "$run"
  doctor "${quick[@]}" --job 1 -q q --json
  exits 1
  json '.findings[0] | .rule == "R51" and .culprit.comm == "sleep"'
  json '[.graph.nodes[].process.comm] | index("sleep") != null'
  doctor "${quick[@]}" --job 2 -q q
  exits 2
  one_line
  grep -q "job 2 of q is not running: process $run has job 1 in hand" err || { show; false; }
  kill -TERM "$run"
  wait "$run" || true
  doctor "${quick[@]}" --job 1 -q q
  exits 2
  one_line
}

add_job_to() {
  penstock prepare -s "$T/seq" -i - >"$1/jobs/fspl-1.fspl"
}

# The decoder has sent everything, and stays.
decoder_sleeps() {
  local pid
  for pid in $(processes_of_test); do
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sleep ]; then return 0; fi
  done
  return 1
}

@test "doctor: as wide as it is told, and names cannot move the cursor" {
  local odd
  odd=$(printf 'a\033[2Jb')
  cp "$(command -v sleep)" "./$odd"
  set -m
  bare "./$odd" 1000 </dev/null 2>/dev/null | bare cat >/dev/null 2>&1 &
  set +m
  last=$! first=$(jobs -p %+)
  ours+=("$first" "$last")
  until_true sleeps_in "$last" pipe
  until_true sleeps_in "$first" nanosleep
  COLUMNS=40 doctor "${quick[@]}" --graph "$last"
  exits 0
  prints 'a\x1b[2Jb'
  if grep -q "$(printf '\033')" out; then show; fail "an escape came through"; fi
  [ "$(wc -L <out)" -le 40 ] || { show; fail "too wide"; }
  grep -q '^    | ' out || { show; fail "not drawn downwards"; }
  LC_ALL=C.UTF-8 COLUMNS=100 doctor "${quick[@]}" --graph "$last"
  prints "▶ cat $last"
}

@test "doctor: --dot is a graph with the culprit marked" {
  start_stopped
  doctor "${quick[@]}" --dot "$last"
  exits 1
  grep -q "^  p$last \[label=.*fillcolor" out || { show; false; }
  grep -q "^  p$first -> p$last " out || { show; false; }
}

@test "doctor: --heal does nothing where nothing offers it" {
  start_stopped
  doctor "${quick[@]}" --heal "$last"
  exits 1
  prints "not healed: no finding offers H1"
  is_in_state "$last" T
  start_quiet
  doctor "${quick[@]}" --heal "$last"
  exits 0
}

@test "doctor: --heal=H3 ends the holder of a leaked end, and says what came of it" {
  exec 7> >(exec setsid cat >/dev/null 2>&1 3>&-)
  local cat=$!
  bare_keeping_7 setsid sleep 1000 </dev/null >/dev/null 2>&1 &
  local holder=$!
  exec 7>&-
  ours+=("$holder" "$cat")
  until_true is_named "$holder" sleep
  until_true sleeps_in "$cat" pipe
  doctor "${quick[@]}" --heal "$cat"
  exits 1
  prints "not healed: no finding offers H1"
  kill -0 "$holder"
  doctor "${quick[@]}" --heal=H3 "$cat"
  exits 0
  prints "healed: "
  until_true is_gone "$cat"
}

bare_keeping_7() { exec "$@" 3>&-; }
is_gone() { [ ! -e "/proc/$1" ] || is_in_state "$1" Z; }

@test "doctor: --self tells about this machine, and leaves no child" {
  doctor --self
  [ "$status" -le 1 ]
  grep -Eq '^(OK|careful|bad) +kernel ' out || { show; false; }
  grep -Eq 'not provoked in [0-9]+ attempts|PROVOKED|could not be provoked' out || { show; false; }
  ZFS_SET_PIPE_MAX=1 doctor --self --json
  json '[.checks[] | select(.name == "ZFS_SET_PIPE_MAX")][0].level != "OK"'
  json '[.checks[].level] - ["OK", "careful", "bad"] == []'
  json '.checks | length == 11'
}

@test "doctor: an end that we inherited does not count" {
  # Our caller leaks the write end of somebody's input to us: while we look, nobody else holds it.
  exec 7> >(exec cat >/dev/null 2>&1 3>&-)
  local cat=$!
  ours+=("$cat")
  until_true sleeps_in "$cat" pipe
  exec 8>&7 7>&-
  (
    exec 9>&8 8>&-
    exec "$PENSTOCK" doctor --interval 1 --json "$cat"
  ) >out 2>err 3>&- &
  local doctor=$!
  exec 8>&-
  status=0
  wait "$doctor" || status=$?
  # As soon as ours was closed, cat saw the end and ended.
  [ "$status" -ne 1 ] || { show; fail "an end of our own was taken for a leak"; }
}
