# Loaded by every *.bats file here: a directory of its own for each test, and a look at what the test leaves behind.
#
#   PENSTOCK   the binary under test (build/release/bin/penstock)
#   T          this test's directory, at a short path (gpg's socket); kept, and named, if the test fails
#   TMPDIR     T/tmp; must be empty in the end
#
# A process, a descriptor or a temporary file left over fails the test, whatever it was about. Processes are found by a
# variable in their environment, and by what they hold below T.

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
. "$root/tests/support/real_parts.bash" || exit 1

setup() { begin_test; }
teardown() { end_test; }

begin_test() {
  # scripts/lib.bash says why, and that it is told.
  if [ -n "${SECOND_TRIES:-}" ]; then
    BATS_TEST_RETRIES=1
    if [ "${BATS_TEST_TRY_NUMBER:-1}" -gt 1 ]; then echo "$BATS_TEST_DESCRIPTION" >>"$SECOND_TRIES"; fi
  fi
  PENSTOCK=$(realpath "${PENSTOCK:-$root/build/release/bin/penstock}")
  [ -x "$PENSTOCK" ] || { echo "PENSTOCK is not an executable: $PENSTOCK"; return 1; }
  local name
  for name in $(compgen -e | grep '^FSPL_\|^PENSTOCK_'); do unset "$name"; done
  T=$(short_temp e2e) && [ -d "$T" ] || return 1
  mkdir "$T/tmp"
  open_descriptors
  descriptors_before=("${descriptors[@]}") pipes_before=$pipes
  export PENSTOCK T TMPDIR=$T/tmp GNUPGHOME=$T/gpg HOME=$T SHELL=/bin/bash TZ=UTC LC_ALL=C PENSTOCK_E2E_LABEL=$T
  umask 022
}

end_test() {
  local bad=0
  # Without a directory of its own every process there is would look like one of the test's.
  [ -n "${T:-}" ] && [ -d "$T" ] || return 1
  if [ -S "$GNUPGHOME/S.gpg-agent" ]; then end_gpg_agent; fi
  no_process_left || bad=1
  no_descriptor_left || bad=1
  nothing_in_tmp || bad=1
  if [ $bad = 0 ] && [ "${BATS_TEST_COMPLETED:-}" = 1 ]; then
    rm -rf "$T"
  else
    echo "kept: $T"
  fi
  return $bad
}

# Into `descriptors` what this shell has open, and into `pipes` the number of pipes among it: bats changes those from
# stage to stage. Without a subshell, which would add its own.
open_descriptors() {
  local fd target
  descriptors=() pipes=0
  for fd in /proc/"$BASHPID"/fd/*; do
    target=$(readlink "$fd") || continue
    case $target in
    pipe:*) pipes=$((pipes + 1)) ;;
    */bats-run-* | /proc/*) ;;
    *) descriptors+=("${fd##*/} $target") ;;
    esac
  done
}

# Pids that carry this test's label or hold something below T; never ourselves or those above us.
processes_of_test() {
  local pid found
  # Two programs for all of /proc, rather than three for each process: those who ask are gone when the answer is read.
  found=$({
    grep -lzxF "PENSTOCK_E2E_LABEL=$T" /proc/[0-9]*/environ
    find /proc/[0-9]*/fd /proc/[0-9]*/cwd -maxdepth 1 \( -lname "$T" -o -lname "$T/*" \)
  } 2>/dev/null | cut -d/ -f3 | sort -un)
  for pid in $found; do
    case " $$ $BASHPID $PPID " in *" $pid "*) continue ;; esac
    if [ -e "/proc/$pid" ]; then echo "$pid"; fi
  done
}

no_process_left() {
  local tries=0 left
  # What was told to end may take a moment; nobody but init could wait for an orphan.
  while left=$(processes_of_test) && [ -n "$left" ]; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then
      echo "left running:"
      # shellcheck disable=SC2086
      ps -o pid,ppid,stat,wchan:20,args -p "$(echo $left | tr ' ' ,)"
      # shellcheck disable=SC2086
      kill -KILL $left 2>/dev/null
      return 1
    fi
    sleep 0.05
  done
}

no_descriptor_left() {
  open_descriptors
  if [ "${descriptors[*]}" != "${descriptors_before[*]}" ] || [ $pipes -gt "$pipes_before" ]; then
    echo "open before the test: ${descriptors_before[*]}, and $pipes_before pipes"
    echo "open after the test:  ${descriptors[*]}, and $pipes pipes"
    return 1
  fi
}

nothing_in_tmp() {
  [ -z "$(ls -A "$T/tmp")" ] || { echo "left in TMPDIR:"; ls -lA "$T/tmp"; return 1; }
}

fail() { echo "$*"; return 1; }

penstock() { "$PENSTOCK" "$@"; }

# need_zfs: skip the test, with the reason, where ZFS cannot be had.
need_zfs() {
  local reason
  if reason=$(why_no_zfs); then skip "SKIPPED: $reason"; fi
}

# logged COMMAND...: its output into T/log, and shown if it fails.
logged() {
  "$@" >"$T/log" 2>&1 || { local status=$?; cat "$T/log"; return $status; }
}
