# Sourced by the scripts beside it: headings, sections with their time, one tally for all of them, and the builds.
#
# A section is a command whose last line reads "N passed, N failed, N skipped" (the third part may be missing). A command
# without such a line counts as one: passed if it exits 0. A section that fails does not stop the next one. The tally is a
# file named by PENSTOCK_TALLY, so that a script started by another adds to the same sum and leaves the last line to it;
# what failed is said once more at the end (file PENSTOCK_TALLY.why).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
logs=$root/build/logs

# Both cores, unless told otherwise: cmake and ctest read these.
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}
if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  # Another clone of the same sources has the same objects.
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
fi

on_terminal=no
if [ -t 1 ] && { : >/dev/tty; } 2>/dev/null; then on_terminal=yes; fi

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { warn "$@"; exit 1; }
heading() { printf '\n== %s\n' "$*"; }

tally_begin() {
  started=$SECONDS
  if [ -z "${PENSTOCK_TALLY:-}" ]; then
    PENSTOCK_TALLY=$(mktemp) || exit 1
    export PENSTOCK_TALLY
    tally_is_ours=yes
    trap 'rm -f "$PENSTOCK_TALLY" "$PENSTOCK_TALLY.why" "$PENSTOCK_TALLY.again"' EXIT
  fi
}

# tally_end: the table and the last line, if no script above us will print them. Exit status 1 if anything failed.
tally_end() {
  if [ "${tally_is_ours:-}" = yes ]; then
    heading "Summary ($((SECONDS - started)) s)"
    awk -F'\t' '{ printf "%6d passed %4d failed %4d skipped %5d s  %s\n", $1, $2, $3, $4, $5
                  if ($2) bad = bad "\n  " $5 }
                END { if (bad) print "failed:" bad }' "$PENSTOCK_TALLY"
    if [ -s "$PENSTOCK_TALLY.why" ]; then
      cat "$PENSTOCK_TALLY.why"
      # As ctest says it, for readers that know it.
      say "The following tests FAILED:"
      sed -nE 's/^not ok ([0-9]+)( -)? (.*)/\t\1 - \3 (Failed)/p' "$PENSTOCK_TALLY.why"
    fi
    if [ -s "$PENSTOCK_TALLY.again" ]; then
      say "needed a second try:"
      sed 's/^/  /' "$PENSTOCK_TALLY.again"
    fi
    awk -F'\t' '{ p += $1; f += $2; s += $3 }
                END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' "$PENSTOCK_TALLY"
  fi
  ! awk -F'\t' '$2 { bad = 1 } END { exit !bad }' "$PENSTOCK_TALLY"
}

# tally PASSED FAILED SKIPPED SECONDS NAME
tally() { printf '%d\t%d\t%d\t%d\t%s\n' "$@" >>"$PENSTOCK_TALLY"; }

# section NAME COMMAND...: run it under a heading, show what it prints, add its counts to the tally.
section() {
  local name=$1 log begin=$SECONDS status counts passed=0 failed=0 skipped=0
  shift
  mkdir -p "$logs"
  log=$logs/${name//[^A-Za-z0-9]/-}.log
  heading "$name"
  # Its own shell, so that a `cd` or an `export` in a section ends with it; stdin is nobody's.
  ("$@") </dev/null 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
  if [ -n "$counts" ]; then
    read -r passed failed skipped <<<"${counts//[^0-9 ]/}"
    skipped=${skipped:-0}
    # A section that ends badly has failed, whatever it counted.
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  elif [ "$status" -eq 0 ]; then
    passed=1
  else
    failed=1
  fi
  tally "$passed" "$failed" "$skipped" $((SECONDS - begin)) "$name"
  if [ "$failed" -eq 0 ]; then
    say "-- $name: passed, $((SECONDS - begin)) s"
  else
    say "-- $name: FAILED, $((SECONDS - begin)) s, exit status $status (log: build/logs/${log##*/})"
    { say "-- $name:"; what_failed <"$log"; } >>"$PENSTOCK_TALLY.why"
  fi
  [ "$failed" -eq 0 ]
}

# what_failed <LOG: the failed tests of a section, each with the first lines of what it said; without tests, the end.
what_failed() {
  awk '{ line[NR] = $0 }
       /^not ok / { more = 12; print; tests++; next }
       /^(ok|1\.\.)/ { more = 0 }
       /: Failure$/ { more = 6 }
       /^The following tests FAILED:/ { more = 30; tests++ }
       more > 0 && tests < 40 { print "  " $0; more-- }
       END { if (!tests) for (i = NR > 20 ? NR - 20 : 1; i <= NR; i++) print "  " line[i] }'
}

# not_run NAME REASON: a section that cannot run here. Counted as skipped, never as passed.
not_run() {
  heading "$1"
  say "SKIPPED: $2"
  tally 0 0 1 0 "$1"
}

# build PRESET [TARGET...]: configure and build. A terminal sees how far it is, on one line; a failure is shown in full.
build() {
  local log=$logs/build-$1.log show=cat
  mkdir -p "$logs"
  if [ "$on_terminal" = yes ]; then show=last_line_on_terminal; fi
  { cmake --preset "$1" && cmake --build --preset "$1" ${2:+--target "${@:2}"}; } 2>&1 | tee "$log" | $show >/dev/null
  [ "${PIPESTATUS[0]}" -eq 0 ] || { tail -n 100 "$log"; return 1; }
}

last_line_on_terminal() {
  local line
  while IFS= read -r line; do printf '\r%.*s\e[K' 79 "$line" >/dev/tty; done
  printf '\r\e[K' >/dev/tty
}

# count_tap: a filter for TAP that ends with the line of counts. A plan that was not kept counts as failures.
count_tap() {
  awk '{ print; fflush() }
       /^1\.\.[0-9]+/ { split($0, plan, /\.\.| /); wanted = plan[2] }
       /^not ok / { failed++; next }
       /^ok .*# [sS][kK][iI][pP]/ { skipped++; next }
       /^ok / { passed++ }
       END { missing = wanted - passed - failed - skipped
             if (missing > 0) failed += missing
             if (!wanted && !passed && !failed && !skipped) failed = 1
             printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
             exit failed > 0 }'
}

# A test of whole programs on a machine that others use, too, may fail for their sake. So it gets a second try, and that
# is never passed over in silence: its name is in the log, and at the end of all. One that fails twice has failed.
tell_second_tries() {
  [ -s "$1" ] || return 0
  sed 's/^/# needed a second try: /' "$1"
  if [ -n "${PENSTOCK_TALLY:-}" ]; then cat "$1" >>"$PENSTOCK_TALLY.again"; fi
}

# quiet_addresses: into `wrapper` what ThreadSanitizer of gcc 12 needs where the kernel randomizes more than 28 bits.
quiet_addresses() { if setarch -R true 2>/dev/null; then wrapper=(setarch -R); fi; }

# run_bats FILE...
run_bats() {
  local again status wrapper=()
  again=$(mktemp) || return 1
  if [[ $PENSTOCK == */tsan/* ]]; then quiet_addresses; fi
  # A test that hangs is ended, and has failed. Whoever started us may ignore signals (nohup, a shell's "&").
  BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900} SECOND_TRIES=$again \
    "${wrapper[@]}" env --default-signal bats --tap "$@" 2>&1 | count_tap
  status="${PIPESTATUS[*]}"
  tell_second_tries "$again"
  rm -f "$again"
  [ "$status" = "0 0" ]
}

# run_ctest PRESET: the unit tests of one build, counted from the report that ctest writes for machines.
run_ctest() {
  local report=$root/build/$1/ctest.xml status wrapper=()
  rm -f "$report"
  if [ "$1" = tsan ]; then quiet_addresses; fi
  "${wrapper[@]}" ctest --preset "$1" --no-tests=error --output-junit "$report" --timeout 150 --repeat until-pass:2 |
    tee "$report.log"
  status=${PIPESTATUS[0]}
  sed -nE 's/^ *[0-9]+\/[0-9]+ Test *#[0-9]+: ([^ ]+) .*\*\*\*.*(Failed|Timeout|Exception).*/\1/p' "$report.log" | sort -u >"$report.again"
  tell_second_tries "$report.again"
  python3 - "$report" <<'PY' || { [ $status -ne 0 ]; say "0 passed, 1 failed, 0 skipped"; }
import sys, xml.etree.ElementTree
suite = xml.etree.ElementTree.parse(sys.argv[1]).getroot()
total, failed = int(suite.get("tests")), int(suite.get("failures"))
skipped = int(suite.get("skipped")) + int(suite.get("disabled"))
print(f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
PY
  return $status
}

# sanitized COMMAND...: each report of a sanitizer is a failure, also one from a process whose stderr nobody reads.
sanitized() {
  local reports status
  reports=$(mktemp -d) || return 1
  ASAN_OPTIONS=log_path=$reports/asan:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1 \
    UBSAN_OPTIONS=log_path=$reports/ubsan:print_stacktrace=1 \
    TSAN_OPTIONS=log_path=$reports/tsan:second_deadlock_stack=1 \
    LSAN_OPTIONS=log_path=$reports/lsan "$@"
  status=$?
  if [ -n "$(ls -A "$reports")" ]; then
    say "a sanitizer has something to say:"
    tail -n +1 "$reports"/* | head -n 200
    status=1
  fi
  rm -rf "$reports"
  return $status
}
