# A queue on a disk that takes nothing any more: that is noticed before a command is started (D12), told in one line, and
# the job runs once there is room. A small tmpfs in a mount namespace, or strace where no mount can do it.
load queue_helpers

need_mounts() {
  [ "$(id -u)" = 0 ] && in_namespaces mount -t tmpfs tmpfs /mnt 2>/dev/null || skip "no right to make namespaces and mounts"
}

# on_disk MAKE_BAD MAKE_GOOD OPTION...: a queue with jobs 9 and 10 on a tmpfs of 1 MiB, one run on it after MAKE_BAD, and one
# after MAKE_GOOD. Leaves status-bad, err-bad, next-bad, jobs-bad, ran-bad and the same of -good.
on_disk() {
  local bad=$1 good=$2
  shift 2
  mkdir -p disk
  echo payload >payload
  for jobs in 9 10; do
    echo $jobs >n
    penstock prepare -s n -i payload >job-$jobs
  done
  rm -f ran-bad ran-good
  export bad good
  in_namespaces bash -c '
    mount -t tmpfs -o size=1m tmpfs disk && "$PENSTOCK" queue-init -q disk/q && "$PENSTOCK" queue-set-next -q disk/q 9 || exit 90
    cp job-9 disk/q/jobs/fspl-9.fspl && cp job-10 disk/q/jobs/fspl-10.fspl || exit 90
    for how in bad good; do
      eval "${!how}" || exit 91
      timeout 60 "$PENSTOCK" queue-process -q disk/q "$@" sh -- -c "echo \$FSPL_SEQ >>ran-$how; cat >/dev/null; exit ${fails:-0}" \
        2>err-$how >out-$how </dev/null
      echo $? >status-$how
      cat disk/q/nextseq >next-$how
      echo $(ls disk/q/jobs) >jobs-$how
    done' bash "$@" || fail "cannot be staged: $?"
}

# noticed WORDS: the bad run failed with one line, started nothing, lost nothing; the good one did both jobs.
noticed() {
  if [ "$(cat status-bad)" != 1 ] || [ -e ran-bad ] || [ "$(cat next-bad)" != 9 ] || ! grep -qF -- "$1" err-bad ||
    [ "$(cat jobs-bad)" != "fspl-10.fspl fspl-9.fspl" ] || [ "$(wc -l <err-bad)" != 1 ]; then
    cat err-bad
    fail "not noticed: status $(cat status-bad), next $(cat next-bad), jobs $(cat jobs-bad), ran: $(cat ran-bad 2>&1)"
  fi
  if [ "$(cat status-good)" != 0 ] || [ "$(echo $(cat ran-good))" != "9 10" ] || [ "$(cat next-good)" != 11 ]; then
    cat err-good
    fail "the next run does not go on: $(cat status-good), $(cat ran-good 2>&1)"
  fi
}

fill='{ head -c 2M /dev/zero >disk/fill || true; } 2>/dev/null'

@test "disk: full, noticed before the command is started" {
  need_mounts
  # Without the room that an earlier run has kept.
  on_disk ": >disk/q/nextseq.lock; $fill" 'rm disk/fill'
  noticed "disk/q/nextseq.lock: write the lock file: No space left on device"
}

@test "disk: full, a queue that has ended well before is drained all the same, which makes room" {
  need_mounts
  mkdir disk && echo payload >payload
  for jobs in 1 2; do
    echo $jobs >n
    penstock prepare -s n -i payload >job-$jobs
  done
  export fill
  in_namespaces bash -c '
    mount -t tmpfs -o size=1m tmpfs disk && "$PENSTOCK" queue-init -q disk/q && cp job-1 disk/q/jobs/fspl-1.fspl || exit 90
    "$PENSTOCK" queue-process -q disk/q cat >out-1 || exit 91
    cp job-2 disk/q/jobs/fspl-2.fspl && [ ! -s disk/q/nextseq.lock ] || exit 92
    eval "$fill"
    "$PENSTOCK" queue-process -q disk/q cat >out-2 2>err || exit 93
    [ -z "$(ls disk/q/jobs)" ] && [ "$(cat disk/q/nextseq)" = 3 ]' || { cat err; fail "$?"; }
  cmp out-2 payload
}

@test "disk: read-only, noticed before the command is started" {
  need_mounts
  on_disk 'mount -o remount,ro disk' 'mount -o remount,rw disk'
  noticed "Read-only file system"
}

@test "disk: full while a job is moved to the quarantine: it stays where it is, and blocks the queue" {
  need_mounts
  # The command fills the disk, and fails.
  fails=3
  export fails
  on_disk 'true' "rm -f disk/fill" --on-error quarantine -n 1
  unset fails
  [ "$(cat status-good)" = 0 ] || { cat err-good; fail "quarantine with room"; }
  echo "exec 2>/dev/null; $fill; exit 3" >filler
  in_namespaces bash -c '
    mount -t tmpfs -o size=1m tmpfs disk && "$PENSTOCK" queue-init -q disk/q && "$PENSTOCK" queue-set-next -q disk/q 9 &&
      cp job-9 disk/q/jobs/fspl-9.fspl || exit 90
    timeout 60 "$PENSTOCK" queue-process -q disk/q --on-error quarantine sh filler 2>err >out </dev/null
    echo $? >status
    ls disk/q/jobs disk/q/penstock/quarantine >left 2>/dev/null
    cat disk/q/nextseq >next
    rm disk/fill
    timeout 60 "$PENSTOCK" queue-process -q disk/q --on-error quarantine false 2>err-2 >out </dev/null
    echo $? >status-2
    cat disk/q/nextseq >next-2' || fail "cannot be staged: $?"
  cat err left status next
  # Either the report did not fit and the job stays, or it did and the job has moved: never neither.
  [ "$(grep -c '^fspl-9.fspl$' left)" = 1 ]
  if [ "$(cat status)" = 1 ]; then [ "$(cat next)" = 9 ] && grep -q "No space left on device" err; fi
  [ "$(cat status-2) $(cat next-2)" = "0 10" ] || { cat err-2; fail "with room again"; }
}

# first_fails CALL ERROR FILE: a run whose first such call on that file of the queue fails.
first_fails() {
  rm -f ran
  status=0
  strace -f -qq -o trace -P "$T/q/$3" -e trace="$1" -e inject="$1:error=$2:when=1" \
    "$PENSTOCK" queue-process -q "$T/q" sh -- -c 'echo $FSPL_SEQ >>ran; cat >/dev/null' >out 2>err </dev/null || status=$?
  grep -q INJECTED trace || fail "$1 of $3 was never called"
}

@test "disk: EIO, a quota, a full disk at the first write to the lock and to nextseq, before the command" {
  local error words file
  for error in EIO ENOSPC EDQUOT EFBIG EROFS; do
    case $error in
    EIO) words="Input/output error" ;;
    ENOSPC) words="No space left on device" ;;
    EDQUOT) words="Disk quota exceeded" ;;
    EFBIG) words="File too large" ;;
    EROFS) words="Read-only file system" ;;
    esac
    for file in nextseq nextseq.lock; do
      rm -f q/jobs/*
      jobs=0
      rm -f seq
      penstock queue-set-next -q q 1
      add_job <<<payload
      first_fails pwrite64 $error $file || return 1
      failed_job 1 "$words" || return 1
      says "nextseq" || says "lock"
      [ ! -e ran ] || fail "the command was started ($error, $file)" || return 1
      process true
      succeeded 1
    done
  done
}

# was_refused_at NUMBER LIMIT - nothing ran or went from this job on, and the reason is told.
was_refused_at() {
  [ "$(cat q/nextseq)" = "$1" ] && [ -e "q/jobs/fspl-$1.fspl" ] && [ ! -e "got/$1" ] && grep -q "Too many open files" err || fail "with $2: status $status"
}

@test "too few descriptors are no failure of a job: with --on-error Delete it stays, or runs" {
  local n refused=0
  for n in $(seq 14 26); do
    rm -rf q seq got/* && penstock queue-init -q q && jobs=0
    add_job <<<"one"
    add_job <<<"two"
    status=0
    (ulimit -n "$n"; exec timeout 60 "$PENSTOCK" queue-process -q q --on-error Delete "${keep[@]}") >out 2>err </dev/null 3>&- || status=$?
    if [ "$status" = 0 ]; then
      [ "$(cat got/1 got/2)" = $'one\ntwo' ] || fail "with $n a job was passed over"
    else
      refused=$((refused + 1))
      was_refused_at "$(cat q/nextseq)" "$n"
    fi
  done
  [ "$refused" -gt 2 ] && [ "$refused" -lt 13 ] || fail "refused $refused of 13"
}

# refused_when_decoded SIZE - of 19 limits, so many refuse to run two jobs of so many bytes.
refused_when_decoded() {
  local n
  refused=0
  head -c "$1" /dev/urandom >payload
  for n in $(seq 14 32); do
    rm -rf q seq got/* && penstock queue-init -q q && jobs=0
    add_job zstd -q -c <payload
    add_job zstd -q -c <payload
    status=0
    (ulimit -n "$n"; exec timeout 60 "$PENSTOCK" queue-process -q q -d zstdcat --on-error Delete "${keep[@]}") >out 2>err </dev/null 3>&- || status=$?
    if [ "$status" = 0 ]; then
      cmp payload got/1 && cmp payload got/2 || fail "with $n a job was passed over"
    else
      refused=$((refused + 1))
      was_refused_at "$(cat q/nextseq)" "$n"
    fi
  done
}

@test "too few descriptors are no failure of a job that is decoded in-process either" {
  refused_when_decoded 300000
  [ "$refused" -gt 2 ] && [ "$refused" -lt 19 ] || fail "refused $refused of 19"
}

@test "too few descriptors are no failure of a small job that is decoded whole" {
  refused_when_decoded 20000
  [ "$refused" -gt 2 ] && [ "$refused" -lt 19 ] || fail "refused $refused of 19"
}

@test "want of memory for a decoded payload that is verified before is no failure of its job" {
  rm -rf q seq && penstock queue-init -q q && jobs=0
  head -c 20000 /dev/urandom >payload
  add_job zstd -q -c <payload
  status=0
  strace -f -qq -o trace -e trace=memfd_create -e inject=memfd_create:error=EPERM \
    "$PENSTOCK" queue-process -q q -d zstdcat --verify before --on-error Delete "${keep[@]}" >out 2>err || status=$?
  grep -q "INJECTED" trace
  [ "$status" -ne 0 ] && [ "$(cat q/nextseq)" = 1 ] && [ -e q/jobs/fspl-1.fspl ] || fail "status $status"
}

@test "a small job file is held over its removal until the next command has begun; a large one is not" {
  case "$(stat -f -c %T .)" in ext2/ext3 | xfs | btrfs | f2fs | tmpfs) ;; *) skip "NOT TESTED: on $(stat -f -c %T .) nothing is held" ;; esac
  rm -rf q seq && penstock queue-init -q q && jobs=0
  add_job <<<"small"
  head -c 2000000 /dev/urandom >payload
  add_job <payload
  add_job <<<"last"
  # Each command sees in the end that its processor holds nothing that has no name any more.
  strace -qq -o trace -e trace=openat,unlinkat "$PENSTOCK" queue-process -q q timeout -- 20 sh -c '
    cat >/dev/null; pid=$(grep -ao "pid=[0-9]*" q/nextseq.lock); pid=${pid#pid=}
    while ls -l "/proc/$pid/fd" | grep "jobs/.*deleted"; do sleep 0.02; done; echo "$FSPL_SEQ" >>freed' >out 2>err </dev/null
  [ "$(cat freed)" = $'1\n2\n3' ]
  grep -q '"fspl-1.fspl", .*O_PATH' trace && grep -q '"fspl-3.fspl", .*O_PATH' trace
  ! grep -q '"fspl-2.fspl", .*O_PATH' trace
}
