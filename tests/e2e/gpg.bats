# gpg as a decoder, and its agent: the first decoder of a run, which may have to start it, is alone; one in a sandbox, which
# cannot, finds it there.
load queue_helpers

bats_require_minimum_version 1.5.0

# fake_gpg WORDS...: T/bin/gpg, which unpacks gzip and tells of its beginning and end; before that it does WORDS, as the Nth.
fake_gpg() {
  mkdir -p bin
  printf '%s\n' '#!/bin/bash' "cd $T" 'echo begin >>log' 'n=$(grep -c begin log)' 'begun() { grep -c begin log; }' "$@" \
    'gzip -dc && echo end >>log' >bin/gpg
  chmod +x bin/gpg
  : >log
}
alone_then_two='case $n in
1) sleep 0.3; [ $(begun) = 1 ] || exit 9 ;;
2) until [ $(begun) -ge 3 ]; do sleep 0.02; done ;;
esac'

waiting() {
  local n
  for n; do
    printf '%s\n' "$n" >seq
    echo "payload $n" | penstock prepare -s seq -i - | gzip >"q/jobs/fspl-$n.fspl"
  done
  sleep 0.2 # a younger file is not remembered
}

@test "gpg: the first decoder of a scan is alone until its header is there, then they run side by side" {
  waiting 2 3 4 5
  fake_gpg "$alone_then_two"
  limit=20 process --scan-jobs 2 -d 'bin/gpg -q -d' "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 1; 4 later jobs are here" || { cat log; fail "not as it should"; }
  [ "$(grep -c end log)" = 4 ]
}

@test "gpg: the first one that gives no header is alone, too, and the others are read" {
  waiting 2 3 4 5
  fake_gpg 'case $n in 1) sleep 0.3; [ $(begun) = 1 ] && echo alone >>log; exit 2 ;; 2) until [ $(begun) -ge 3 ]; do sleep 0.02; done ;; esac'
  limit=20 process --scan-jobs 2 -d 'bin/gpg -q -d' "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 1; 3 later jobs are here" && grep -qx alone log
}

@test "gpg: at the first turn of a run that knows all headers nothing is decoded ahead; at the next it is" {
  waiting 1 2 3
  fake_gpg
  penstock queue-ls -q q -d 'bin/gpg -q -d' | grep -c fspl- | grep -qx 3
  fake_gpg "$alone_then_two"
  limit=20 process -d 'bin/gpg -q -d' "${keep[@]}"
  succeeded 3
  [ "$(grep -c begin log)" = 3 ] || { cat log; fail "one for each job"; }
}

@test "gpg: whoever goes by another name is not held back" {
  waiting 2 3
  fake_gpg 'until [ $(begun) -ge 2 ]; do sleep 0.02; done'
  mv bin/gpg bin/mine
  limit=20 process --scan-jobs 2 -d 'bin/mine -q -d' "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 1; 2 later jobs are here"
}

# Real ones from here on.
real_gpg() {
  command -v gpg >/dev/null && command -v zstd >/dev/null || skip "SKIPPED: needs gpg and zstd"
  make_gpg_home "$T/gpg" && make_gpg_key
}
packed() { zstd -q | encrypt; }
agent_pid() { gpg-connect-agent --no-autostart 'getinfo pid' /bye 2>/dev/null | sed -n 's/^D //p'; }
no_agent() { end_gpg_agent; until_true [ ! -S "$T/gpg/S.gpg-agent" ]; }

@test "gpg: without an agent a run of several jobs starts one, which lives on" {
  real_gpg || return 1
  local i
  for i in 1 2 3 4; do add_job packed <<<"payload $i"; done
  no_agent
  process -d 'gpg -q -d | zstd -dcq' "${keep[@]}"
  succeeded 4
  [ -n "$(agent_pid)" ]
}

@test "gpg: in a sandbox it finds its agent, which is not confined and holds nothing of the run" {
  real_gpg || return 1
  local i pid
  for i in 1 2 3; do add_job packed <<<"payload $i"; done
  no_agent
  process --sandbox -d 'gpg -q -d | zstd -dcq' "${keep[@]}" 7>held
  succeeded 3
  [ "$(cat got/3)" = "payload 3" ]
  pid=$(agent_pid)
  [ -n "$pid" ] || fail "there is no agent"
  grep -q "^NoNewPrivs:.0" "/proc/$pid/status" && grep -q "^Seccomp:.0" "/proc/$pid/status" || fail "it is confined"
  if ls -l "/proc/$pid/fd" | grep -E "pipe:|$T/(q|held|out|err)"; then fail "it holds that"; fi
}

@test "gpg: in a sandbox with --homedir it is that one's agent" {
  real_gpg || return 1
  for i in 1 2; do add_job packed <<<"payload $i"; done
  no_agent
  local home=$GNUPGHOME
  mkdir -m 700 other
  GNUPGHOME=$T/other process --sandbox -d "gpg --homedir $home -q -d | zstd -dcq" "${keep[@]}"
  succeeded 2
  [ ! -S other/S.gpg-agent ]
}

@test "gpg: in a sandbox without gpgconf, or with one that fails or hangs, it says itself what is wrong" {
  real_gpg || return 1
  add_job packed <<<payload
  mkdir bin
  ln -s "$(command -v gpg)" bin/gpg
  local way
  for way in none fails hangs; do
    no_agent
    case $way in
    fails) printf '#!/bin/sh\necho loud; echo loud >&2; exit 3\n' >bin/gpgconf && chmod +x bin/gpgconf ;;
    hangs) printf '#!/bin/sh\nexec sleep 1000\n' >bin/gpgconf ;;
    esac
    limit=20 process --sandbox -d "$T/bin/gpg -q -d | zstd -dcq" "${keep[@]}"
    [ "$status" = 0 ] && says "fspl-1.fspl is skipped: gpg exited 2 (gpg: decryption failed: No secret key)" || fail $way
    says_not loud
    rm -rf q/penstock
  done
}
