# A command that is another user's: it cannot be ended by us, and its input stays shut.
load queue_helpers

# need_sudo: a drop-in for sudo, seen by this test only.
need_sudo() {
  if [ "$(id -u)" -ne 0 ]; then skip "SKIPPED: not root"; fi
  command -v sudo setpriv >/dev/null || skip "SKIPPED: no sudo or setpriv"
  unshare --mount mount -t tmpfs tmpfs /etc/sudoers.d 2>/dev/null || skip "SKIPPED: no right to make mounts"
  chown -R nobody q got
  chmod 1777 . got
  chmod a+rx "$T"
  cp "$PENSTOCK" penstock
  chmod a+rx penstock
}

# ordinary COMMAND...: as nobody, who may become root by sudo, without a password.
ordinary() {
  unshare --mount sh -c '
    mount -t tmpfs -o mode=755 tmpfs /etc/sudoers.d &&
      echo "nobody ALL=(root) NOPASSWD: ALL" >/etc/sudoers.d/test && chmod 440 /etc/sudoers.d/test &&
      exec setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all "$@"' sh "$@"
}

# process_as_nobody OPTION... COMMAND...
process_as_nobody() {
  local began=$SECONDS
  status=0
  ordinary timeout -k 5 60 "$T/penstock" queue-process -q "$T/q" "$@" >out 2>err </dev/null || status=$?
  took=$((SECONDS - began))
}

bad="sh -c 'cat; sleep 0.3; exit 1'"
gatekeepers() { grep -lx gatekeeper /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3; }

# The gatekeeper of this test, whose queue lock it holds.
keeper_of_test() {
  local pids
  for pid in $(gatekeepers); do
    if find "/proc/$pid/fd" -lname "$T/*" 2>/dev/null | grep -q .; then echo "$pid"; fi
  done
}

@test "a command of root's: told, gate shut, lock kept until it is gone" {
  local pids
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  # With ';' the shell would rename if its cat were killed alone.
  process_as_nobody -d "$bad" sudo -- -n sh -c 'cat >got/1.tmp; mv got/1.tmp got/1'
  refused 1 "belongs to root and cannot be ended by us; its input stays shut: sudo kill -KILL "
  says "sh exited 1"
  pids=$(sed -n 's/.*its input stays shut: sudo kill -KILL \([0-9 ]*[0-9]\).*/\1/p' err)
  [ "$(cat "/proc/${pids##* }/comm")" = cat ]
  [ -n "$(keeper_of_test)" ]
  process_as_nobody -d "$bad" cat
  [ "$status" = 1 ]
  says "busy"
  not_committed 1
  # As we were told.
  # shellcheck disable=SC2086
  kill -KILL $pids
  until_true no_keeper
  not_committed 1
  # The lock is free again, and the good packet applies.
  process_as_nobody -d cat sudo -- -n sh -c 'cat >got/1.tmp && mv got/1.tmp got/1'
  succeeded 1
}

@test "a reader of root's behind a process of ours: ours stands still until that one is gone" {
  local pids command='cat | sudo -n sh -c "cat >got/1.tmp; mv got/1.tmp got/1"'
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  process_as_nobody -d "$bad" sh -- -c "$command"
  refused 1 "belongs to root and cannot be ended by us; its input stays shut: sudo kill -KILL "
  not_committed 1
  pids=$(sed -n 's/.*its input stays shut: sudo kill -KILL \([0-9 ]*[0-9]\).*/\1/p' err)
  # shellcheck disable=SC2086
  kill -KILL $pids
  until_true no_keeper
  not_committed 1
  # Somebody who may do it does, before ours go.
  process_as_nobody -d "$bad" --kill-with "sudo -n kill" sh -- -c "$command"
  refused 1 "sh exited 1"
  until_true no_keeper
  not_committed 1
  process_as_nobody -d cat sh -- -c "$command"
  succeeded 1
}

no_keeper() { [ -z "$(keeper_of_test)" ]; }

@test "--kill-with 'sudo -n kill' ends it" {
  local command
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  for command in 'cat >got/1.tmp && mv got/1.tmp got/1' 'cat >got/1.tmp; mv got/1.tmp got/1' \
    'cat | (cat >got/1.tmp; mv got/1.tmp got/1)'; do
    process_as_nobody --kill-with 'sudo -n kill' -d "$bad" sudo -- -n sh -c "$command"
    refused 1 "sh exited 1"
    says_not "cannot be ended"
    [ "$took" -le 10 ]
    until_true no_keeper
    not_committed 1
  done
}

@test "--kill-with that does not help: told as without it" {
  local pids
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  process_as_nobody --kill-with false -d "$bad" sudo -- -n sh -c 'cat >got/1.tmp && mv got/1.tmp got/1'
  refused 1 "belongs to root and cannot be ended by us; its input stays shut: sudo kill -KILL "
  pids=$(sed -n 's/.*its input stays shut: sudo kill -KILL \([0-9 ]*[0-9]\).*/\1/p' err)
  # As we were told.
  # shellcheck disable=SC2086
  kill -KILL $pids
  until_true no_keeper
  not_committed 1
}

@test "a good packet for a command of root's" {
  need_sudo
  random_bytes 300000 >data
  add_job <data
  chmod a+r q/jobs/*
  process_as_nobody -d cat sudo -- -n sh -c 'cat >got/1.tmp && mv got/1.tmp got/1'
  succeeded 1
  cmp data got/1
}

@test "the keeper is killed, and root's command lives on: we stay, with the gate shut, until it is gone" {
  local runner pids
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  ordinary "$T/penstock" queue-process -q "$T/q" -d "sh -c 'cat; sleep 1000'" \
    sudo -- -n sh -c 'echo >got/started; cat >got/1.tmp; mv got/1.tmp got/1' >out 2>err </dev/null 3>&- &
  runner=$!
  until_true [ -e got/started ]
  kill -KILL "$(keeper_of_test)"
  until_true grep -q "cannot be ended by us" err
  not_committed 1
  kill -0 "$runner"
  pids=$(sed -n 's/.*its input stays shut: sudo kill -KILL \([0-9 ]*[0-9]\).*/\1/p' err)
  # shellcheck disable=SC2086
  kill -KILL $pids
  wait "$runner" && fail "it says that all is well"
  not_committed 1
}

@test "the keeper is killed: --kill-with ends root's command all the same" {
  local runner
  need_sudo
  random_bytes 1000 | add_job
  chmod a+r q/jobs/*
  ordinary timeout -k 5 60 "$T/penstock" queue-process -q "$T/q" --kill-with 'sudo -n kill' -d "sh -c 'cat; sleep 1000'" \
    sudo -- -n sh -c 'echo >got/started; cat >got/1.tmp; mv got/1.tmp got/1' >out 2>err </dev/null 3>&- &
  runner=$!
  until_true [ -e got/started ]
  kill -KILL "$(keeper_of_test)"
  wait "$runner" && fail "it says that all is well"
  says_not "cannot be ended"
  not_committed 1
}

@test "an error of ours while somebody unseen reads the gate: told, gate shut, lock kept" {
  local runner reader
  command -v strace >/dev/null || skip "SKIPPED: no strace"
  random_bytes 1000 | add_job
  timeout -k 5 60 "$PENSTOCK" queue-process -q q -d "sh -c 'cat; echo >got/fed; sleep 1000'" \
    sh -- -c 'echo $$ >got/started; exec sleep 1000' >out 2>err </dev/null 3>&- &
  runner=$!
  until_true [ -e got/fed ]
  until_true [ -s got/started ]
  # Somebody who is no child of the run opens the command's input.
  sleep 1000 <"/proc/$(cat got/started)/fd/0" 3>&- &
  reader=$!
  # The loop of the processor fails, once.
  timeout 20 strace -qq -o /dev/null -e trace=epoll_wait -e inject=epoll_wait:error=EBADF:when=1 \
    -p "$(pgrep -P "$runner" penstock)" 3>&- &
  if ! until_true grep -q "its input stays shut" err; then kill -KILL "$reader"; fail "says nothing"; fi
  status=0
  wait "$runner" || status=$?
  [ "$status" = 1 ] || { kill -KILL "$reader"; show; fail "exit status $status"; }
  [ -n "$(keeper_of_test)" ]
  flock -n q/nextseq.lock true && fail "the lock is free"
  kill -KILL "$reader"
  wait "$reader" || true
  until_true no_keeper
  not_committed 1
}
