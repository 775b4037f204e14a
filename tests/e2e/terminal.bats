# At a terminal: questions, Ctrl-C, Ctrl-Z, a pager, the progress line, a hangup. tmux is the terminal, its server ours alone.
load helpers

setup() {
  begin_test
  cd "$T"
  mkdir tmux
  export TMUX_TMPDIR=$T/tmux
  unset TMUX
  printf 'payload\n' >payload
  "$PENSTOCK" queue-init -q q
  "$PENSTOCK" prepare -s seq -i payload >q/jobs/fspl-1.fspl
  # Not tmux itself is to be found by what it was started with, or it would count as left behind while it ends.
  tmux_ -f /dev/null new-session -d -s t -n first -x 100 -y 30 "cd '$T' && PS1='READY> ' exec bash --norc -i" 3>&-
  until_screen '^READY>'
}

teardown() {
  cd /
  tmux_ kill-server 2>/dev/null || true
  end_test
}

tmux_() { tmux -L penstock "$@"; }

screen() { tmux_ capture-pane -p; }

# wait_for WHAT COMMAND...: until the command succeeds.
wait_for() {
  local tries=0
  until "${@:2}"; do
    tries=$((tries + 1))
    if [ $tries -ge 400 ]; then
      echo "never came: $1; the screen:"
      screen || true
      return 1
    fi
    sleep 0.05
  done
}

shows() { screen | grep -qE -- "$1"; }
until_screen() { wait_for "$1 on the screen" shows "$1"; }
until_file() { wait_for "file $1" test -s "$1"; }
is_gone() { ! [ -d "/proc/$1" ]; }
is_stopped() { [ "$(awk '/^State:/ { print $2 }' "/proc/$1/status")" = T ]; }

# type_line TEXT: as a person would, with Enter.
type_line() {
  tmux_ send-keys -l -- "$1"
  tmux_ send-keys Enter
}

key() { tmux_ send-keys "$1"; }

# ends_with STATUS: the prompt is back, and the last command ended so.
ends_with() {
  until_screen '^READY> *$'
  type_line 'echo status=$?.'
  until_screen '^status=[0-9]+\.'
  shows "^status=$1\." || { screen; fail "not status $1"; }
}

queue_is_intact() {
  [ "$(cat q/nextseq)" = 1 ] || fail "nextseq is $(cat q/nextseq)"
  [ -e q/jobs/fspl-1.fspl ] || fail "the job file is gone"
}

job_is_done() {
  [ "$(cat q/nextseq)" = 2 ] || fail "nextseq is $(cat q/nextseq)"
  [ ! -e q/jobs/fspl-1.fspl ] || fail "the job file is still there"
}

script() { # NAME, from stdin
  { echo '#!/bin/bash'; cat; } >"$1"
  chmod +x "$1"
}

# A command whose end waits for a word in the FIFO `go`, and that tells of its start in `started`. It dies of no signal
# that a terminal or a shell sends, so that its end is our doing.
waiting_command() {
  mkfifo go
  script command <<-'END'
	trap '' INT TERM HUP
	cat >part
	keeper=$PPID
	read -r _ _ _ processor _ </proc/$keeper/stat
	echo "$processor $keeper $$" >started.new && mv started.new started
	read -r _ <go
	mv part committed
	END
}

@test "a question of the decoder's on the terminal is answered" {
  script decoder <<-'END'
	printf 'Open, sesame? ' >/dev/tty
	read -r word </dev/tty
	[ "$word" = open ] && exec cat
	END
  type_line '"$PENSTOCK" queue-process -q q -d ./decoder cat'
  until_screen 'Open, sesame\?'
  type_line open
  ends_with 0
  shows '^payload'
  job_is_done
}

@test "a question of the command's on the terminal is answered" {
  script command <<-'END'
	printf 'Really? ' >/dev/tty
	read -r word </dev/tty
	cat
	[ "$word" = yes ]
	END
  type_line '"$PENSTOCK" queue-process -q q -d "cat | cat" ./command'
  until_screen 'Really\?'
  type_line yes
  ends_with 0
  job_is_done
}

# encrypt_job ARGS...: job 1, by real gpg.
encrypt_job() {
  gpg -q --batch "$@" -o job.gpg q/jobs/fspl-1.fspl
  mv job.gpg q/jobs/fspl-1.fspl
}

@test "gpg asks for its passphrase on the terminal" {
  make_gpg_home "$T/gpg"
  encrypt_job --pinentry-mode loopback --passphrase secret -c
  type_line '"$PENSTOCK" queue-process -q q -d "gpg -q --pinentry-mode loopback -d" cat'
  until_screen '[Pp]assphrase'
  type_line secret
  ends_with 0
  shows '^payload'
  job_is_done
}

@test "gpg-agent's pinentry asks on the terminal" {
  command -v pinentry-curses >/dev/null || skip "SKIPPED: no pinentry-curses"
  make_gpg_home "$T/gpg"
  encrypt_job --pinentry-mode loopback --passphrase secret -c
  echo "pinentry-program $(command -v pinentry-curses)" >"$T/gpg/gpg-agent.conf"
  end_gpg_agent
  type_line 'GPG_TTY=$(tty) "$PENSTOCK" queue-process -q q -d "gpg -q -d 2>/dev/null | cat" tee -- out'
  until_screen 'Passphrase:'
  type_line secret
  wait_for "the payload" grep -qs payload out
  ends_with 0
  job_is_done
}

# interrupted OPTIONS: Ctrl-C while a decoder that has said all, but not how it ends, and a command that is a pipeline
# are there. Each of the command's processes would commit at the end of what it waits for: its input, the pipe, its
# children.
interrupted() {
  script decoder <<-'END'
	trap '' INT
	cat
	exec >&-
	echo $$ >decoder.pid
	sleep 1000
	END
  script command <<-'END'
	trap '' INT
	exec 3<&0
	(cat <&3 >fed && mv fed committed) &
	(trap '' INT TERM; sleep 1000 & echo $! >sleep.pid; cat) | cat >part && mv part committed &
	echo $! >last.pid
	echo $$ >command.pid
	wait
	mv part committed
	END
  type_line "\"\$PENSTOCK\" queue-process -q q $1 -d ./decoder ./command"
  for name in decoder command sleep last; do until_file $name.pid; done
  key C-c
  ends_with 130
  for name in decoder command sleep last; do
    is_gone "$(cat $name.pid)" || fail "the $name lives on"
  done
  [ ! -e committed ] || fail "COMMITTED"
  queue_is_intact
}

@test "Ctrl-C ends the whole tree, commits nothing and leaves the queue as it was" {
  interrupted ''
}

@test "Ctrl-C does not count as a failure of the job: --on-error Delete deletes nothing" {
  interrupted '--on-error Delete'
}

@test "Ctrl-C, --gate eof" {
  interrupted '--gate eof'
}

@test "Ctrl-C while a simple command dies of it, too: not a failure of the job" {
  for policy in Delete Leave Quarantine; do
    rm -f started
    type_line "clear; \"\$PENSTOCK\" queue-process -q q --on-error $policy sh -- -c 'echo \$\$ >started; exec sleep 1000'"
    until_file started
    key C-c
    ends_with 130
    is_gone "$(cat started)"
    queue_is_intact
  done
}

@test "Ctrl-C while headers are decoded" {
  script decoder <<-'END'
	trap '' INT
	echo $$ >decoder.pid
	sleep 1000
	END
  type_line '"$PENSTOCK" queue-process -q q -d ./decoder cat'
  until_file decoder.pid
  key C-c
  ends_with 130
  is_gone "$(cat decoder.pid)"
  queue_is_intact
}

@test "Ctrl-C ends penstock run and stdin-process" {
  # They ignore it: their end is our doing.
  type_line '"$PENSTOCK" run sh -c "trap \"\" INT; echo \$\$ >one; sleep 1000" "|" sh -c "trap \"\" INT; echo \$\$ >two; cat; touch committed"'
  until_file one
  until_file two
  key C-c
  ends_with 130
  is_gone "$(cat one)" && is_gone "$(cat two)" && [ ! -e committed ]
  rm one two
  type_line 'clear; "$PENSTOCK" stdin-process sh -- -c "trap \"\" INT; echo \$\$ >one; sleep 1000; touch committed" <q/jobs/fspl-1.fspl'
  until_file one
  key C-c
  ends_with 130
  is_gone "$(cat one)" && [ ! -e committed ]
}

@test "Ctrl-Z stops the job, and fg continues it to a good end" {
  waiting_command
  type_line '"$PENSTOCK" queue-process -q q -d "cat | cat" ./command'
  until_file started
  read -r processor keeper command <started
  key C-z
  until_screen 'Stopped'
  wait_for "a stopped processor" is_stopped "$processor"
  wait_for "a stopped command" is_stopped "$command"
  until_screen '^READY> *$'
  type_line 'clear; fg'
  until_screen 'PENSTOCK'
  echo now >go
  ends_with 0
  [ "$(cat committed)" = payload ]
  job_is_done
}

@test "Ctrl-Z, then bg and a good end; Ctrl-Z, then kill: nothing is committed" {
  waiting_command
  type_line '"$PENSTOCK" queue-process -q q -d cat ./command'
  until_file started
  read -r processor keeper command <started
  key C-z
  until_screen 'Stopped'
  wait_for "a stopped command" is_stopped "$command"
  # To its group, as `kill %1` of a shell does: it continues what it stopped, and TERM is what they wake up to.
  type_line 'kill %1'
  wait_for "the command's end" is_gone "$command"
  wait_for "the keeper's end" is_gone "$keeper"
  [ ! -e committed ] || fail "COMMITTED"
  queue_is_intact
  rm started
  type_line 'clear; "$PENSTOCK" queue-process -q q -d cat ./command'
  until_file started
  key C-z
  until_screen 'Stopped'
  type_line 'clear; bg'
  echo now >go
  until_file committed
  wait_for "Done" sh -c '[ "$(cat q/nextseq)" = 2 ]'
}

@test "a pager behind it works, and its q ends the job" {
  printf 'LINE %s\n' {1..20000} >payload
  "$PENSTOCK" prepare -s seq -i payload >q/jobs/fspl-2.fspl
  type_line '"$PENSTOCK" queue-process -q q -d cat cat | less'
  until_screen '^LINE 20'
  key q
  until_screen '^READY> *$'
  [ "$(cat q/nextseq)" = 2 ]
  type_line 'clear; "$PENSTOCK" queue-process -q q -d cat head -- -n 3 | less'
  until_screen '^LINE 3'
  until_screen '\(END\)'
  key q
  until_screen '^READY> *$'
  [ "$(cat q/nextseq)" = 3 ]
}

@test "long work shows a line of progress on a terminal, and wipes it" {
  waiting_command
  type_line 'clear; "$PENSTOCK" queue-process -q q -d cat ./command'
  until_screen '^0 of 1 jobs.*running job 1|^1 of 1 jobs.*running job 1|of 1 jobs.*running job 1'
  echo now >go
  ends_with 0
  ! shows 'of 1 jobs' || { screen; false; }
}

@test "no line of progress in the background" {
  waiting_command
  type_line 'clear; "$PENSTOCK" queue-process -q q -d cat ./command &'
  until_file started
  sleep 1.5  # as below
  ! shows 'of 1 jobs' || { screen; false; }
  echo now >go
  wait_for "the job's end" sh -c '[ "$(cat q/nextseq)" = 2 ]'
}

@test "no line of progress where stderr is no terminal" {
  waiting_command
  # Longer than the second after which the line would come; that it does not come has no event.
  type_line 'clear; "$PENSTOCK" queue-process -q q -d cat ./command 2>err'
  until_file started
  sleep 1.5
  ! shows 'of 1 jobs'
  echo now >go
  ends_with 0
  [ ! -s err ] || { cat err; false; }
}

# gpg-connect-agent's exit status says nothing: it is 0 without an agent, too.
agent_is_there() { gpg-connect-agent --no-autostart 'getinfo pid' /bye 2>/dev/null | grep -q '^OK'; }

@test "gpg-agent that a failed job started survives the failure: on a terminal" {
  make_gpg_home "$T/gpg"
  make_gpg_key
  encrypt_job --trust-model always -r $gpg_user -e
  end_gpg_agent
  ! agent_is_there || fail "there is an agent already"
  type_line '"$PENSTOCK" queue-process -q q -d "gpg -q --batch -d" sh -- -c "cat; exit 3"'
  ends_with 1
  agent_is_there || fail "the agent is gone"
  queue_is_intact
}

@test "gpg-agent that a failed job started survives the failure: without a terminal" {
  make_gpg_home "$T/gpg"
  make_gpg_key
  encrypt_job --trust-model always -r $gpg_user -e
  end_gpg_agent
  ! agent_is_there || fail "there is an agent already"
  run setsid -w "$PENSTOCK" queue-process -q q -d "gpg -q --batch -d" sh -- -c "cat; exit 3"
  [ "$status" = 1 ]
  agent_is_there || fail "the agent is gone"
  queue_is_intact
}

@test "under nohup a hangup changes nothing" {
  waiting_command
  tmux_ new-window -n second "cd '$T' && exec bash --norc -i"
  type_line 'nohup "$PENSTOCK" queue-process -q q -d cat ./command >out 2>&1'
  until_file started
  read -r processor keeper command <started
  kill -HUP "$processor" "$keeper" "$command"
  tmux_ kill-window -t second
  wait_for "a window less" sh -c 'test "$(tmux -L penstock list-windows | wc -l)" = 1'
  kill -HUP "$processor" "$keeper" "$command"
  [ -d "/proc/$processor" ] && [ -d "/proc/$command" ]
  echo now >go
  wait_for "the processor's end" is_gone "$processor"
  [ "$(cat committed)" = payload ]
  job_is_done
}

@test "without nohup a hangup ends the tree and commits nothing" {
  waiting_command
  tmux_ new-window -n second "cd '$T' && exec bash --norc -i"
  type_line '"$PENSTOCK" queue-process -q q -d cat ./command >out 2>&1'
  until_file started
  read -r processor keeper command <started
  tmux_ kill-window -t second
  wait_for "the command's end" is_gone "$command"
  wait_for "the keeper's end" is_gone "$keeper"
  [ ! -e committed ] || fail "COMMITTED"
  queue_is_intact
}

@test "with a terminal a job stays in our group and session, as with fspl" {
  cc -O1 -o report "$root/tests/support/child_report.c"
  type_line './report shell.report'
  until_file shell.report
  type_line '"$PENSTOCK" queue-process -q q --never-delete -d "./report decoder.report cat" ./report -- command.report cat; echo $! >over'
  until_file over
  session=$(sed -n 's/^session: //p' shell.report)
  for kind in decoder command; do
    grep -qx "session: $session" $kind.report || fail "the $kind is in another session"
    grep -qx 'terminal: its foreground group is ours' $kind.report || { cat $kind.report; fail "the $kind is in another group"; }
  done
}
