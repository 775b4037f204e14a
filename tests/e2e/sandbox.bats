# --sandbox: a decoder that tries the network, other files, more rights, or our own processes gets nowhere, its job is
# not committed, and real decoders work in it.
load queue_helpers

setup() {
  begin_queue_test
  need_sandbox
}

# Where the kernel has none, the program says so: asked rather than guessed.
need_sandbox() {
  local said
  said=$(penstock run --sandbox true '|' cat 2>&1 </dev/null) && return
  case $said in
  *"this machine has no sandbox"*) skip "SKIPPED: $said" ;;
  *) fail "$said" ;;
  esac
}

# decoder: makes ./decoder WHAT [ARGUMENT...]: hands its input on, then tries that, says how it went, and fails if it could not.
decoder() {
  cat >decoder <<'PERL'
#!/usr/bin/perl
use strict; use Socket; use Fcntl;
my ($what, @rest) = @ARGV;
binmode STDIN; binmode STDOUT; { local $/ = \65536; print while <STDIN>; }
sub make { socket(my $s, $_[0], $_[1], 0) or return undef; return $s }
my %try = (
  tcp => sub { my $s = make(PF_INET, SOCK_STREAM) or return 0; connect($s, sockaddr_in($rest[0], inet_aton("127.0.0.1"))) },
  udp => sub { make(PF_INET, SOCK_DGRAM) },
  tcp6 => sub { make(PF_INET6, SOCK_STREAM) },
  netlink => sub { make(16, SOCK_RAW) },
  packet => sub { make(17, SOCK_RAW) },
  unix => sub { make(PF_UNIX, SOCK_STREAM) },
  uring => sub { my $p = "\0" x 120; syscall(425, 1, $p) >= 0 },
  write => sub { open my $f, ">", $rest[0] },
  append => sub { open my $f, ">>", $rest[0] },
  truncate => sub { truncate $rest[0], 0 },
  emptied => sub { sysopen my $f, $rest[0], O_RDONLY | O_TRUNC },
  unlink => sub { unlink $rest[0] },
  rename => sub { rename $rest[0], "$rest[0].moved" },
  link => sub { link $rest[0], "$rest[0].linked" },
  symlink => sub { symlink $rest[0], "$rest[0].linked" },
  mkdir => sub { mkdir "$rest[0].dir" },
  mkfifo => sub { require POSIX; POSIX::mkfifo("$rest[0].fifo", 0600) },
  chmod => sub { chmod 0777, $rest[0] },
  chown => sub { chown 65534, 65534, $rest[0] },
  utime => sub { utime 1, 1, $rest[0] },
  kill => sub { kill 9, $rest[0] },
  memory => sub { open my $f, "+<", "/proc/$rest[0]/mem" },
  gate => sub { open my $f, ">", "/proc/$rest[0]/fd/$rest[1]" },
  null => sub { open my $f, ">", "/dev/null" },
  read => sub { open my $f, "<", $rest[0] },
);
if ($try{$what}->()) { exit 0 }
print STDERR "$what: refused ($!)\n";
exit 1;
PERL
  chmod +x decoder
}

# one_job: is there, and none was done.
one_job() {
  rm -rf got/*
  echo payload | penstock prepare -s - -i - >q/jobs/fspl-1.fspl
  penstock queue-set-next -q q 1
}

# stopped WHAT [ARGUMENT]: under --sandbox the decoder fails, and nothing is committed.
stopped() {
  one_job
  process --sandbox -d "./decoder $*" "${keep[@]}"
  refused 1 "$1: refused" || fail "$*" || return 1
}

# works WHAT [ARGUMENT]: without --sandbox the same decoder does it.
works() {
  one_job
  process -d "./decoder $*" "${keep[@]}"
  succeeded 1 || fail "the control: $*" || return 1
}

@test "sandbox: the network is out of reach" {
  decoder
  local listener port what
  exec {hold}< <(exec perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1")
    or die; print $s->sockport, "\n"; sleep 300')
  listener=$!
  read -r port <&$hold
  works tcp "$port" && stopped tcp "$port"
  local bad=$?
  kill "$listener"
  exec {hold}<&-
  [ $bad = 0 ]
  for what in udp tcp6 netlink packet unix; do
    stopped $what || return 1
  done
  stopped uring
  works udp && works unix
}

@test "sandbox: no file is changed, but /dev/null" {
  decoder
  mkdir outside
  local what
  for what in write append truncate emptied unlink rename link symlink mkdir mkfifo chmod chown utime; do
    echo precious >outside/file
    chmod 644 outside/file
    touch -d 2020-01-01 outside/file
    stat -c '%a %u %Y %h' outside/file >before
    stopped $what outside/file || return 1
    stat -c '%a %u %Y %h' outside/file | cmp before - || fail "$what changed it" || return 1
    [ "$(cat outside/file) $(ls outside)" = "precious file" ] || fail "$what: $(ls outside)" || return 1
    [ "$(id -u)" = 0 ] || [ $what != chown ] || continue
    works $what outside/file || return 1
    rm -rf outside/*
  done
  one_job
  process --sandbox -d './decoder null' "${keep[@]}"
  succeeded 1
  one_job
  process --sandbox -d './decoder read /etc/passwd' "${keep[@]}"
  succeeded 1
}

@test "sandbox: a directory that was named may be written to, others not" {
  decoder
  mkdir scratch other
  one_job
  process --sandbox --sandbox-write scratch:/nowhere -d './decoder write scratch/file' "${keep[@]}"
  [ "$status" = 1 ] && says "--sandbox-write /nowhere: No such file or directory"
  process --sandbox --sandbox-write "scratch:$T/tmp" -d './decoder write scratch/file' "${keep[@]}"
  succeeded 1
  [ -e scratch/file ]
  one_job
  process --sandbox --sandbox-write scratch -d './decoder write other/file' "${keep[@]}"
  not_committed 1
  [ ! -e other/file ]
  status=0
  penstock queue-process -q q --sandbox-write scratch cat 2>err || status=$?
  [ $status = 2 ] && says "--sandbox-write counts only with --sandbox"
}

@test "sandbox: other processes are out of reach" {
  decoder
  sleep 300 &
  local other=$! pipe bad=0
  exec {pipe}> >(exec cat >/dev/null)
  works gate $BASHPID $pipe && stopped gate $BASHPID $pipe && stopped memory $other && stopped kill $other || bad=1
  exec {pipe}>&-
  kill $other || bad=1 # it lives
  [ $bad = 0 ]
}

@test "sandbox: the decoder has no new privileges and none of root's; the command is as ever" {
  printf '#!/bin/sh\ngrep -E "^(NoNewPrivs|Seccomp|CapEff):" /proc/self/status >&2\nexec cat\n' >look
  chmod +x look
  add_job <<<payload
  process --sandbox -d ./look grep -- -E '^(NoNewPrivs|Seccomp):' /proc/self/status
  succeeded 1
  grep -q "^NoNewPrivs:.1" err && grep -q "^Seccomp:.2" err && grep -q "^CapEff:.000000000000000[04]$" err || { show; fail "not confined"; }
  grep -q "^NoNewPrivs:.0" out && grep -q "^Seccomp:.0" out
}

@test "sandbox: gpg with its agent and zstd work in it, and what is cut is noticed" {
  command -v gpg >/dev/null && command -v zstd >/dev/null || skip "needs gpg and zstd"
  make_gpg_home "$T/gpg" && make_gpg_key || return 1
  packed() { zstd -q | encrypt; }
  local i
  for i in 1 2 3; do
    random_bytes 300000 >payload-$i
    add_job packed <payload-$i
  done
  process --sandbox -d 'gpg -q -d | zstdcat -T0' -n 2 "${keep[@]}"
  [ "$status" = 0 ] || { show; fail "with the agent"; }
  cmp payload-1 got/1 && cmp payload-2 got/2
  # The same left to a shell.
  process --sandbox -d 'gpg --lock-never -q -d 2>/dev/null | zstdcat -T0 && true' -n 1 "${keep[@]}"
  succeeded 3 && cmp payload-3 got/3
  random_bytes 300000 | penstock prepare -s "$T/seq" -i - | packed | head -c 200000 >q/jobs/fspl-4.fspl
  process --sandbox -d 'gpg -q -d | zstdcat -T0' "${keep[@]}"
  refused 4 "job 4"
}

@test "sandbox: what was open before is closed, the lock of the queue too" {
  printf '#!/bin/sh\n(echo leak >&7) 2>/dev/null || echo closed >&2\nexec cat\n' >leak
  chmod +x leak
  add_job <<<payload
  process --sandbox -d ./leak cat 7>leaked
  succeeded 1
  says closed
  [ ! -s leaked ]
  add_job <<<payload
  process -d ./leak cat 7>leaked
  succeeded 2
  [ -s leaked ]
}

@test "sandbox: a decoder that takes our descriptors away; without it the gate stays shut all the same" {
  local keeper gate
  cat >cut <<'SH'
#!/bin/bash
head -c 1000000
keeper=$PPID
read -r _ _ _ processor _ </proc/$keeper/stat
echo $keeper >keeper
prlimit --pid $keeper --nofile=0:0 && prlimit --pid "$processor" --nofile=0:0 || exit 1
exit 0
SH
  printf '#!/bin/bash\ncat >part && mv part got/all\n' >commit
  chmod +x cut commit
  random_bytes 3000000 | penstock prepare -s - -i - --seal >sealed
  for gate in hold eof; do
    cp sealed q/jobs/fspl-1.fspl
    process --sandbox=strict --sandbox-write . --gate $gate -d ./cut ./commit
    refused 1 "job 1" || fail $gate || return 1
    process --gate $gate -d ./cut ./commit || true
    [ "$status" != 0 ]
    [ ! -e got/all ] || fail "COMMITTED ($gate)" || return 1
    # The keeper may wait for ever, as it can see nobody any more; its job ends with it.
    keeper=$(cat keeper)
    [ -e got/all ] || pkill -KILL -P "$keeper" || true
    kill -KILL "$keeper" 2>/dev/null || true
    until_true eval "! kill -0 $keeper 2>/dev/null"
    penstock queue-set-next -q q 1
    [ ! -e got/all ] || fail "COMMITTED ($gate)" || return 1
    rm -f part
  done
}

@test "sandbox: penstock run, its last command not" {
  status=0
  penstock run --sandbox sh -c 'echo x >a' '|' sh -c 'cat >b' 2>err || status=$?
  [ $status != 0 ] || fail "it was not kept from writing"
  [ ! -e a ] && [ ! -s b ]
  penstock run --sandbox echo good '|' sh -c 'cat >b'
  [ "$(cat b)" = good ]
}

@test "sandbox: a kernel without it is told, and refused unless it was to be tried only" {
  decoder
  one_job
  local call words
  for call in landlock_create_ruleset seccomp; do
    words=Landlock
    [ $call = seccomp ] && words=seccomp
    status=0
    strace -f -qq -o trace -e trace=$call -e inject=$call:error=ENOSYS \
      "$PENSTOCK" queue-process -q q --sandbox --detailed-exit -d './decoder udp' "${keep[@]}" >out 2>err || status=$?
    [ $status = 69 ] || { show; fail "$call: status $status"; }
    says "this machine has no sandbox for --sandbox: $words: Function not implemented; --sandbox=try goes on without"
    [ "$(grep -c . err)" = 1 ]
    not_committed 1
  done
  status=0
  strace -f -qq -o trace -e trace=landlock_create_ruleset,seccomp \
    -e inject=landlock_create_ruleset:error=ENOSYS -e inject=seccomp:error=ENOSYS \
    "$PENSTOCK" queue-process -q q --sandbox=try -d './decoder udp' "${keep[@]}" >out 2>err || status=$?
  says "--sandbox=try: not all of the sandbox is there: Landlock: Function not implemented"
  succeeded 1
}
