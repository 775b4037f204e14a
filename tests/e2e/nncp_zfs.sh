#!/bin/bash
# tests/e2e/nncp_zfs.sh - two data sets of 16 snapshots each travel by NNCP, late, shuffled and doubled, and arrive equal.
#
#   host a   zfs send | prepare | zstd | gpg | nncp-exec        (knows the public key only)
#   host b   nncp-toss -> queue-write; queue-process -d 'gpg -d | zstdcat' zfs receive
#
# To be run inside in_namespaces. PENSTOCK is the binary, T the directory; PENSTOCK_SEED decides the order of arrival,
# E2E_DOUBLED=no sends each packet once (for a look at a program that stops at a double).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/real_parts.bash"
seed=${PENSTOCK_SEED:-212295}
snapshots=16
sets=(home mail)
port=5400
step() { echo "== $* ($SECONDS s)"; }
fail() { echo "FAILED: $*"; exit 1; }

# nncp_value FILE NAME: a value of the self block of a new configuration.
nncp_value() { awk -v name="$2:" '/^  self: /, /^  }/ { if ($1 == name) { print $2; exit } }' "$1"; }
nncp_public() { for name in id exchpub signpub noisepub; do echo "      $name: $(nncp_value "$1" $name)"; done; }

# nncp_node NAME OTHER: the configuration of NAME, whose one neighbour is OTHER.
nncp_node() {
  local name
  printf '{\n  spool: %s/spool-%s\n  log: %s/%s.log\n  noprogress: true\n  self: {\n' "$T" "$1" "$T" "$1"
  for name in id exchpub exchprv signpub signprv noiseprv noisepub; do
    echo "    $name: $(nncp_value "$T/$1.new" $name)"
  done
  printf '  }\n  neigh: {\n    self: {\n%s\n    }\n    %s: {\n%s\n' \
    "$(nncp_public "$T/$1.new")" "$2" "$(nncp_public "$T/$2.new")"
  if [ "$1" = a ]; then
    printf '      addrs: {lo: "127.0.0.1:%s"}\n' $port
  else
    printf '      exec: {\n'
    for name in "${sets[@]}"; do
      printf '        %s: ["%s", "queue-write", "-q", "%s/queue/%s"]\n' "$name" "$PENSTOCK" "$T" "$name"
    done
    printf '      }\n'
  fi
  printf '    }\n  }\n}\n'
}

step "two hosts: keys, nodes, pools"
ip link set lo up
nncp-cfgnew -nocomments >"$T/a.new"
nncp-cfgnew -nocomments >"$T/b.new"
nncp_node a b >"$T/a.hjson"
nncp_node b a >"$T/b.hjson"
make_gpg_home "$T/gpg-b"
make_gpg_key
gpg --batch --export >"$T/backup.pub"
make_gpg_home "$T/gpg-a"
gpg --batch -q --import "$T/backup.pub"
start_zfs "$T"
make_pool src "$T"
make_pool store "$T"
zfs create -o readonly=on store/backups
mkdir "$T/queue" "$T/packets"
for set in "${sets[@]}"; do
  zfs create "src/$set"
  "$PENSTOCK" queue-init -q "$T/queue/$set"
done

step "host a: $snapshots days of work"
for ((n = 1; n <= snapshots; n++)); do
  for set in "${sets[@]}"; do
    change_data "$T/mnt/src/$set" $n
    tree_digest "$T/mnt/src/$set" >"$T/digest.$set.$n"
    zfs snapshot "src/$set@s$n"
    from=()
    if [ $n -gt 1 ]; then from=(-i s$((n - 1))); fi
    zfs send "${from[@]}" "src/$set@s$n" | "$PENSTOCK" prepare -s "$T/seq.$set" -i - | zstd -q | encrypt >"$T/packets/$set.$n"
  done
done
ls "$T/packets" | sort >"$T/list"
if [ "${E2E_DOUBLED:-yes}" = yes ]; then sed p "$T/list"; else cat "$T/list"; fi | shuffled "$seed" >"$T/order"
sent=$(wc -l <"$T/order")

# travel: what lies in the spool of a goes over the wire, and into the queues.
travel() {
  nncp-call -quiet -cfg "$T/a.hjson" -onlinedeadline 1 b >"$T/nncp-call.out" 2>&1 || { cat "$T/nncp-call.out"; fail nncp-call; }
  nncp-toss -quiet -cfg "$T/b.hjson" >"$T/nncp-toss.out" 2>&1 || { cat "$T/nncp-toss.out"; fail nncp-toss; }
}

process() {
  GNUPGHOME=$T/gpg-b timeout -k 5 300 "$PENSTOCK" queue-process -q "$T/queue/$1" -d "$seed_decoder" \
    zfs -- receive -v -u "store/backups/$1" >>"$T/ran.$1" 2>>"$T/said.$1" </dev/null || {
    local status=$?
    cat "$T/said.$1"
    fail "queue-process $1: exit status $status"
  }
}

nncp-daemon -quiet -cfg "$T/b.hjson" -bind 127.0.0.1:$port >"$T/nncp-daemon.out" 2>&1 &
tries=0
until { : <>/dev/tcp/127.0.0.1/$port; } 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || fail "nncp-daemon does not listen"
  sleep 0.05
done

half=$((sent / 2))
step "the first $half of $sent packets travel, shuffled; then what has its turn is run"
head -n $half "$T/order" | while IFS=. read -r set n; do
  nncp-exec -quiet -cfg "$T/a.hjson" b "$set" <"$T/packets/$set.$n"
done
travel
for set in "${sets[@]}"; do
  process "$set"
  echo "$set: next is $(cat "$T/queue/$set/nextseq"), in the queue: $(ls "$T/queue/$set/jobs" | grep -c '\.fspl$')"
done

step "the others"
tail -n +$((half + 1)) "$T/order" | while IFS=. read -r set n; do
  nncp-exec -quiet -cfg "$T/a.hjson" b "$set" <"$T/packets/$set.$n"
done
travel
for set in "${sets[@]}"; do
  process "$set"
  echo "$set: next is $(cat "$T/queue/$set/nextseq"), left in the queue: $(ls "$T/queue/$set/jobs" | grep -c '\.fspl$' || true)"
done

step "compare"
for set in "${sets[@]}"; do
  [ "$(cat "$T/queue/$set/nextseq")" = $((snapshots + 1)) ] || { cat "$T/said.$set"; fail "$set: not all jobs ran"; }
  # In order, and each once.
  sed -n "s/^receiving .* stream of .* into store.backups.$set@s//p" "$T/ran.$set" >"$T/ran"
  seq 1 $snapshots | cmp - "$T/ran" || { cat "$T/ran.$set"; fail "$set: not each job once and in order"; }
  for ((n = 1; n <= snapshots; n++)); do
    [ "$(snapshot_guid "src/$set@s$n")" = "$(snapshot_guid "store/backups/$set@s$n")" ] || fail "$set@s$n: another snapshot"
    [ "$(snapshot_digest "store/backups/$set@s$n" "$T/clone")" = "$(cat "$T/digest.$set.$n")" ] || fail "$set@s$n: contents differ"
  done
  echo "$set: $snapshots snapshots equal, each received once and in order"
done
echo "done in $SECONDS s ($sent packets sent, seed $seed)"
