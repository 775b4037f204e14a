# Sourced by every test here. The conformance suite's harness (a private directory, the binary under test as `fspl` on
# PATH, is, like, run, pkt, job, state), and what only these tests need.
#
# CONTROL is set when the binary under test is the real fspl, which must fail the test: then nothing is asked that needs
# an option of ours, so that what fails is the defect and not the command line.
DEFECTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$DEFECTS/../conformance/lib.sh"
W=$TMP/w

ours() { [ -z "${CONTROL:-}" ]; }

# bounded SECONDS COMMAND...: as run; status 124 if it had to be ended.
bounded() { run timeout -k 1 "$@"; }
# without_terminal SECONDS COMMAND...: the same in a session of its own, where nobody could be asked for a passphrase.
without_terminal() { run setsid -w timeout -k 1 "$@"; }
# says NAME REGEX: the last command's stderr, its lines joined. silent NAME: it said nothing.
says() { like "$1" "$(tr '\n\0' '  ' < "$TMP/err")" "$2"; }
says_not() { is "$1" "$(grep -cE -- "$2" "$TMP/err")" 0; }
silent() { is "$1" "$(cat "$TMP/err")" ""; }
# lines NAME COUNT REGEX: how many lines of stderr match.
lines() { is "$1" "$(grep -cE -- "$3" "$TMP/err")" "$2"; }
there() { [ -e "$1" ] || [ -L "$1" ] && echo yes || echo no; }
alive() { local p; for p; do kill -0 "$p" 2>/dev/null && [ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$p/status" 2>/dev/null)" != Z ] && echo "$p"; done; }
# wait_for FILE [TENTHS]: until it is there and not empty.
wait_for() { local i; for ((i = 0; i < ${2:-100}; i++)); do [ -s "$1" ] && return; sleep 0.1; done; echo "# $1 did not come"; return 1; }
need() { command -v "$1" >/dev/null || { skip "all" "$1 is missing"; finish; }; }
need_root() { [ "$(id -u)" = 0 ] || { skip "all" "needs root"; finish; }; }

# unlocked: once the processes of a killed run have let go of q.
unlocked() { local i; for ((i = 0; i < 50; i++)); do flock -n q/nextseq.lock true && return; sleep 0.1; done; echo "# q stays locked"; }
# edit_record PERL: changes the run record of q, in $_, and makes its check right again.
edit_record() {
  perl -e 'my $edit = shift; local $/; open F, "+<", shift or die; $_ = <F>; s/ check=.*//s; eval "$edit; 1" or die $@;
    my $h = 0xcbf29ce484222325; { use integer; for my $c (unpack "C*") { $h = ($h ^ $c) * 0x100000001b3 } }
    $_ = sprintf "%s check=%u", $_, $h; $_ .= " " x (511 - length) . "\n"; seek F, 0, 0; print F; truncate F, length' "$1" q/nextseq.lock
}

# A user who owns nothing, with a copy of the binary that he can reach.
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
let_nobody_in() { need_root; need setpriv; chmod 755 "$TMP" "$W"; rm "$TMP/bin/fspl"; cp "$BIN" "$TMP/bin/fspl"; chmod 755 "$TMP/bin" "$TMP/bin/fspl"; }

# calls TRACE: the system calls of `strace -f -y`, a word each: name, and in brackets the last path component it meets.
calls() { perl -ne 's/^\d+\s+//; next unless /^(\w+)\((.*?)\)\s+= \d/s; my($n,$a)=($1,$2); my @p=$a=~/[<"]([^>"]*)[>"]/g; my $p=$p[-1]//"";
  $p=~s/ \(deleted\)//; $p=~s/.*\///; print "$n($p) "' "$1"; }

# packet_of 'seq => 1, params => ["a\0b"], env => [["X", "x" x 140000]], payload => "p"': what no command line could
# carry. Borrows pkt.pl's encoders.
packet_of() { perl -e '
  my ($pkt, $code) = @ARGV; @ARGV = ("map");
  open my $null, ">", "/dev/null"; my $out = select $null; do $pkt; select $out; binmode STDOUT;
  my %o = eval "($code)"; die $@ if $@;
  my @p = @{$o{params} // []}; my @e = @{$o{env} // []};
  print packet("\x83" . main::s("seq") . u($o{seq} // 1) . main::s("ctime") . "\x92" . i(1700000000) . u(5) . main::s("cmd_type") . "\x81"
    . main::s("Command") . "\x82" . main::s("params") . ah(scalar @p) . join("", map { ba($_) } @p)
    . main::s("env") . ah(scalar @e) . join("", map { "\x92" . ba($_->[0]) . ba($_->[1]) } @e), payload => $o{payload} // "pay\n")' "$HARNESS/pkt.pl" "$1"; }

# others_go_on NAME: the queue holds good jobs 1 and 2 and, as fspl-h.fspl, something that is none. Nothing hangs, the
# others are listed, shown and run, and what is wrong with it is said.
others_go_on() {
  bounded 10 fspl queue-ls -q q
  is "$1: queue-ls: exit status" "$RC" 0
  is "$1: queue-ls: the others" "$(awk 'NR > 1 { print $1 }' "$TMP/out" | tr '\n' ' ')" "1 2 "
  lines "$1: named, with a reason" 1 'fspl-h.fspl.*: .'
  bounded 10 fspl queue-ls -q q -d cat
  is "$1: the same behind a decoder" "$(awk 'NR > 1 { print $1 }' "$TMP/out" | tr '\n' ' ')" "1 2 "
  bounded 10 fspl queue-info -q q -j 2
  is "$1: queue-info" "$RC" 0
  bounded 10 fspl queue-payload -q q -j 1
  is "$1: queue-payload" "$OUT" pay1
  bounded 10 fspl queue-process -q q --never-delete --order-by Timestamp sh -- -c 'echo $FSPL_SEQ >> ran'
  is "$1: Timestamp: the others run" "$RC $(sort ran | tr '\n' ' ')" "0 1 2 "
  bounded 10 fspl queue-process -q q true
  is "$1: Sequence: the others run" "$RC $(cat q/nextseq)" "0 3"
  is "$1: it stays" "$(there q/jobs/fspl-h.fspl)" yes
}
# stops_its_own_turn NAME REASON: job 2 of 1, 2, 3 is hostile. Scans do not mind, 1 runs, 2 fails, Delete goes past it.
stops_its_own_turn() {
  bounded 10 fspl queue-ls -q q
  is "$1: queue-ls lists all" "$(awk 'NR > 1 { print $1 }' "$TMP/out" | tr '\n' ' ')" "1 2 3 "
  bounded 10 fspl queue-payload -q q -j 3
  is "$1: queue-payload of another" "$OUT" pay3
  bounded 10 fspl queue-process -q q --allow-job-params sh -- -c 'echo $FSPL_SEQ >> ran' sh
  is "$1: its turn fails" "$RC $(tr '\n' ' ' < ran) $(cat q/nextseq)" "1 1  2"
  says "$1: told" "job 2 \\(fspl-2.fspl\\).*$2"
  bounded 10 fspl queue-process -q q --allow-job-params --on-error Delete sh -- -c 'echo $FSPL_SEQ >> ran' sh
  is "$1: Delete goes past it" "$RC $(tr '\n' ' ' < ran) $(state)" "0 1 3  next=4 jobs="
}
