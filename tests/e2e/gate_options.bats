# Options about how a job is ended, watched and housed.
load queue_helpers

bad="sh -c 'cat; sleep 0.3; exit 1'"

@test "--kill-grace sends TERM first, and KILL to those who stay" {
  random_bytes 1000 | add_job
  process --kill-grace 20 -d "$bad" sh -- -c 'trap "echo told >told; exit 1" TERM; exec 3<&0; cat <&3 & wait'
  refused 1 "sh exited 1"
  [ "$(cat told)" = told ]
  [ "$took" -le 10 ] || fail "waited for nobody: $took s"
  rm told
  process --kill-grace 1 -d "$bad" sh -- -c 'trap "" TERM; cat >got/1.tmp; mv got/1.tmp got/1'
  refused 1 "sh exited 1"
  [ "$took" -ge 1 ]
}

@test "without --kill-grace nobody is sent TERM" {
  random_bytes 1000 | add_job
  process -d "$bad" sh -- -c 'trap "echo told >told; exit 1" TERM; exec 3<&0; cat <&3 & wait'
  refused 1 "sh exited 1"
  [ ! -e told ]
}

@test "--capture-stderr: passed on as it is, its end in the message and in the report" {
  local report
  random_bytes 1000 | add_job
  process --capture-stderr --on-error quarantine sh -- -c 'cat >/dev/null; printf "first\n\tno \"such\" pool\n" >&2; exit 3'
  [ "$status" = 0 ]
  [ "$(head -2 err)" = "$(printf 'first\n\tno "such" pool')" ] || { show; fail "not passed on"; }
  says 'the command exited 3 (no "such" pool)'
  [ ! -s out ]
  report=$(find q/penstock/quarantine -type f ! -name '*.fspl' | head -1)
  grep -qx "the end of the command's stderr:" "$report" || { cat "$report"; fail "not in the report"; }
  grep -qx '	no "such" pool' "$report" || { cat "$report"; fail "not in the report"; }
}

@test "--capture-stderr: nobody waits for a child that keeps it open" {
  random_bytes 1000 | add_job
  process --capture-stderr sh -- -c 'cat >/dev/null; echo word >&2; setsid sleep 1000 & echo $! >sleeper; exit 0'
  succeeded 1
  says "word"
  kill "$(cat sleeper)"
}

@test "--capture-stderr: a megabyte of it is passed on, and 4 KiB are kept" {
  local report
  random_bytes 1000 | add_job
  process --capture-stderr --on-error quarantine sh -- -c 'cat >/dev/null; yes 0123456789abcde | head -c 1000000 >&2; exit 3'
  [ "$status" = 0 ]
  [ "$(grep -cx 0123456789abcde err)" = 62500 ]
  report=$(find q/penstock/quarantine -type f ! -name '*.fspl' | head -1)
  [ "$(stat -c %s "$report")" -lt 6000 ]
}

@test "without --capture-stderr the command has our own stderr" {
  add_job </dev/null
  process sh -- -c 'readlink /proc/self/fd/2'
  [ "$(cat out)" = "$T/err" ]
}

# The version 2 hierarchy in which we may make groups; SKIPPED without.
need_cgroup() {
  cgroup=$(awk '$(NF - 2) == "cgroup2" || / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  [ -n "$cgroup" ] || skip "SKIPPED: no cgroup (version 2) hierarchy is mounted"
  cgroup=$cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
  cgroup=${cgroup%/}
  mkdir "$cgroup/penstock-test.$$" 2>/dev/null || skip "SKIPPED: no right to make a cgroup in $cgroup"
  rmdir "$cgroup/penstock-test.$$"
}

no_cgroup_left() {
  local left
  left=$(find "$cgroup" -maxdepth 1 -name 'penstock-*')
  [ -z "$left" ] || fail "left: $left"
}

@test "--cgroup: every stage is in it, and it goes with the job" {
  need_cgroup
  random_bytes 1000 | add_job
  process --cgroup -d "sh -c 'grep ^0:: /proc/self/cgroup >decoder.group; cat'" \
    sh -- -c 'grep ^0:: /proc/self/cgroup >command.group; cat >got/1'
  succeeded 1
  grep -q '/penstock-[0-9]*-[0-9]*$' command.group || fail "the command is in $(cat command.group)"
  grep -q '/penstock-[0-9]*-[0-9]*$' decoder.group || fail "the decoder is in $(cat decoder.group)"
  no_cgroup_left
}

@test "--cgroup: a process that holds nothing of the job does not survive it" {
  need_cgroup
  random_bytes 1000 | add_job
  process --cgroup -d "$bad" sh -- -c 'setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 & cat >got/1.tmp; mv got/1.tmp got/1'
  refused 1 "sh exited 1"
  no_process_left
  no_cgroup_left
}

@test "--pipe-size is that of every pipe" {
  local gate sizes='perl -e '\''print fcntl(STDIN, 1032, 0), "\n"'\'''
  for gate in hold eof; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 100000 | add_job
    process --gate $gate --pipe-size 128K \
      -d "cat | sh -c 'perl -e \"print STDERR fcntl(STDIN, 1032, 0)\" 2>decoder.size; cat'" \
      sh -- -c "$sizes >command.size; cat >/dev/null"
    succeeded 1
    [ "$(cat decoder.size)" = 131072 ] || fail "$gate, between stages: $(cat decoder.size)"
    [ "$(cat command.size)" = 131072 ] || fail "$gate, into the command: $(cat command.size)"
  done
}

@test "the command's pipe is as large as may be, the others are ordinary" {
  local gate
  for gate in hold eof; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 100000 | add_job
    process --gate $gate -d "cat | sh -c 'perl -e \"print STDERR fcntl(STDIN, 1032, 0)\" 2>decoder.size; cat'" \
      sh -- -c 'perl -e '\''print fcntl(STDIN, 1032, 0)'\'' >command.size; cat >/dev/null'
    succeeded 1
    [ "$(cat decoder.size)" = 65536 ] || fail "between stages: $(cat decoder.size)"
    [ "$(cat command.size)" = "$(cat /proc/sys/fs/pipe-max-size)" ] || fail "into the command: $(cat command.size)"
  done
}

@test "--spool-dir is where --verify before stores what is large" {
  mkdir spool
  random_bytes 3000000 >data
  add_job gzip -c <data
  # The command's stdin is a pipe; what feeds it is held by us.
  process --verify before --spool-dir spool -d 'gzip -dc' sh -- -c 'ls -l /proc/$PPID/fd /proc/[0-9]*/fd 2>/dev/null | grep -F "'"$T"'/spool/" >where; cat >got/1'
  succeeded 1
  cmp data got/1
  grep -q 'deleted' where || fail "nothing in spool/"
  [ -z "$(ls -A spool)" ]
}

@test "--spool-dir that cannot be used is refused at the start, not at the first large payload" {
  : >file
  add_job </dev/null
  for dir in nowhere file /proc/self; do
    process --verify before --spool-dir $dir sh -- -c 'cat >got/1'
    refused 1 "queue-process: --spool-dir $dir: "
    [ ! -e got/1 ]
  done
  run penstock run --verify before --spool-dir nowhere echo x '|' cat
  [ "$status" = 125 ]
  [ "$output" = "penstock run: --spool-dir nowhere: No such file or directory" ]
}

@test "--close-fds closes what we inherited; without it that is passed on" {
  local want
  add_job </dev/null
  add_job </dev/null
  process -n 1 sh -- -c 'ls /proc/self/fd >fds' 7<"$PENSTOCK"
  grep -qx 7 fds || fail "not passed on: $(cat fds)"
  process -n 1 --close-fds sh -- -c 'ls /proc/self/fd >fds' 7<"$PENSTOCK"
  want=$(printf '0\n1\n2\n3')  # 3 is what ls has opened itself
  [ "$(cat fds)" = "$want" ] || fail "open: $(cat fds)"
}

need_mounts() {
  if [ "$(id -u)" -ne 0 ]; then skip "SKIPPED: not root"; fi
  in_namespaces mount -t tmpfs tmpfs /mnt 2>/dev/null || skip "SKIPPED: no right to make namespaces and mounts"
}

@test "a full disk while the payload is verified: one clear sentence" {
  local sentence
  need_mounts
  mkdir spool
  head -c 20000000 /dev/zero | add_job gzip -c
  random_bytes 20000000 >data
  # A few bytes that become many: nobody can know before.
  in_namespaces sh -c 'mount -t tmpfs -o size=4m tmpfs spool && exec "$@"' sh \
    timeout 60 "$PENSTOCK" queue-process -q q --verify before --spool-dir spool -d 'gzip -dc' sh -- -c 'cat >got/1' \
    >out 2>err </dev/null && status=0 || status=$?
  refused 1 "spool: No space left on device"
  [ "$(wc -l <err)" = 1 ] || { show; fail "not one line"; }
  # No fault of the job's: it is not deleted for it.
  in_namespaces sh -c 'mount -t tmpfs -o size=4m tmpfs spool && exec "$@"' sh timeout 60 "$PENSTOCK" queue-process -q q \
    --verify before --spool-dir spool --on-error Delete -d 'gzip -dc' sh -- -c 'cat >got/1' >out 2>err </dev/null && status=0 || status=$?
  refused 1 "spool: No space left on device"
  # More than is free: known from the start.
  rm q/jobs/fspl-1.fspl && rm seq && jobs=0
  add_job <data
  in_namespaces sh -c 'mount -t tmpfs -o size=4m tmpfs spool && exec "$@"' sh \
    timeout 60 "$PENSTOCK" queue-process -q q --verify before --spool-dir spool sh -- -c 'cat >got/1' \
    >out 2>err </dev/null && status=0 || status=$?
  refused 1 "verify the payload first: spool has "
  [ "$(wc -l <err)" = 1 ] || { show; fail "not one line"; }
}
