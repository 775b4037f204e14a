#!/bin/bash
# tests/e2e/gate.sh zfs|rename DAMAGE - nothing damaged is ever committed, and the good packet then applies.
#
#   zfs        the command is `zfs receive`, which commits at its own end mark (to be run inside in_namespaces)
#   rename     the command stores its input and renames it at end-of-file
#   DAMAGE     gpg-mdc, gzip-crc, gzip-length, zstd-checksum: a bit of the last byte of it; cut: 20 random places
#
# Three packets: a first one that is good, a small one that fits into what the gate keeps back, a large one that does not.
# The latter two are tried damaged, decoded in-process and by the decoder alone in turn, then whole. PENSTOCK is the binary, T the directory; PENSTOCK_SEED moves the cuts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/real_parts.bash"
sink=$1 damage=$2
seed=${PENSTOCK_SEED:-212295}
RANDOM=$seed
declare -A attempts=([2]=2 [3]=2)

case $damage in
gpg-mdc) decoder=$seed_decoder from_end=1 names=gpg ;;
gzip-crc) decoder='gzip -dc' from_end=5 names=gzip ;;
gzip-length) decoder='gzip -dc' from_end=1 names=gzip ;;
zstd-checksum) decoder='zstdcat -T0' from_end=1 names=zstd ;;
cut) decoder=$seed_decoder names=gpg attempts=([2]=8 [3]=12) ;;
*) echo "gate.sh: what is $damage?" >&2; exit 2 ;;
esac

encode() {
  case $damage in
  gpg-mdc | cut) zstd -q -c | encrypt ;;
  gzip-*) gzip -c ;;
  zstd-checksum) zstd -q --check -c ;;
  esac
}

fail() {
  echo "FAILED: $*"
  for f in out err; do
    echo "-- $f:"
    cat "$T/$f" 2>/dev/null || true
  done
  exit 1
}

# The payloads 1, 2 and 3.
data=$T/data
payload() {
  case $sink:$1 in
  rename:*) cat "$data/$1" ;;
  zfs:1) zfs send src/home@s1 ;;
  zfs:*) zfs send -i s$(($1 - 1)) "src/home@s$1" ;;
  esac
}
if [ "$sink" = zfs ]; then
  start_zfs "$T"
  make_pool src "$T"
  make_pool store "$T"
  zfs create src/home
  zfs create -o readonly=on store/backups
  data=$T/mnt/src/home
else
  mkdir "$data"
fi
sizes=([1]=300000 [2]=5000 [3]=1500000)
for n in 1 2 3; do
  head -c ${sizes[n]} /dev/urandom >"$data/$n"
  if [ "$sink" = zfs ]; then zfs snapshot "src/home@s$n"; fi
done

make_gpg_home "$T/gpg"
make_gpg_key
"$PENSTOCK" queue-init -q "$T/q"
for n in 1 2 3; do
  payload $n | "$PENSTOCK" prepare -s "$T/seq" -i - | encode >"$T/packet.$n"
done

# process DIR [OPTION...]: one run over the queue; what a rename would commit goes to DIR.
process() {
  local command=("$here/../support/commit_at_eof" -- "$1") more=("${@:2}")
  if [ "$sink" = zfs ]; then command=(zfs -- receive -u store/backups/home); fi
  mkdir -p "$1"
  status=0
  timeout -k 5 60 "$PENSTOCK" queue-process -q "$T/q" -d "$decoder" "${more[@]}" "${command[@]}" >"$T/out" 2>"$T/err" </dev/null ||
    status=$?
}

is_committed() { # N DIR
  if [ "$sink" = zfs ]; then
    zfs list -H -t snapshot "store/backups/home@s$1" >/dev/null 2>&1
  else
    [ -e "$2/$1" ]
  fi
}

is_equal() { # N DIR
  if [ "$sink" = zfs ]; then
    [ "$(snapshot_guid "src/home@s$1")" = "$(snapshot_guid "store/backups/home@s$1")" ] &&
      [ "$(snapshot_digest "src/home@s$1" "$T/left")" = "$(snapshot_digest "store/backups/home@s$1" "$T/right")" ]
  else
    cmp "$data/$1" "$2/$1"
  fi
}

# inject FILE N: as a transport would, under a name that we know.
inject() { cp "$1" "$T/q/jobs/fspl-$2.fspl"; }

# Bytes that the decoder gives for a file before it fails. Without a whole header there is no job, only a file that
# cannot be decoded: passed over, and named.
decoded_bytes() { bash -c "$decoder" <"$1" 2>/dev/null | wc -c; }

at_gate=0
# refused N ATTEMPT: the damaged packet is in the queue; nothing may come of it.
refused() {
  local n=$1 dir=$T/refused.$1.$2 file=fspl-$1.fspl expected=1 word=$names more=()
  if [ $(($2 % 2)) = 0 ]; then more=(--no-builtin-decoders); fi
  if [ "$(decoded_bytes "$T/q/jobs/$file")" -lt 100 ]; then expected=0 word=$file; fi
  process "$dir" "${more[@]}"
  if [ "$(cat "$T/q/nextseq")" != "$n" ]; then fail "packet $n, attempt $2: counted as done"; fi
  if [ ! -e "$T/q/jobs/$file" ]; then fail "packet $n, attempt $2: its file is gone"; fi
  if is_committed "$n" "$dir"; then fail "packet $n, attempt $2: COMMITTED"; fi
  if [ $status -ne $expected ]; then fail "packet $n, attempt $2: exit status $status, not $expected"; fi
  grep -q "$word" "$T/err" || fail "packet $n, attempt $2: the message does not name $word"
  at_gate=$((at_gate + expected))
  rm "$T/q/jobs/$file"
}

applies() {
  local n=$1 tries=0
  inject "$T/packet.$n" "$n"
  process "$T/good"
  # The daemon of zfs-fuse reads the stream itself, and lets go of a cut one a moment after `zfs receive` is gone.
  while [ $status -eq 1 ] && grep -q busy "$T/err" "$T/out" && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
    process "$T/good"
  done
  if [ $status -ne 0 ]; then fail "the good packet $n: exit status $status"; fi
  if [ "$(cat "$T/q/nextseq")" != $((n + 1)) ]; then fail "the good packet $n: not counted"; fi
  is_equal "$n" "$T/good" || fail "packet $n: differs"
  echo "packet $n ($(stat -c %s "$T/packet.$n") bytes) applies, contents equal (the data set was busy $tries times)"
}

applies 1
for n in 2 3; do
  size=$(stat -c %s "$T/packet.$n")
  for ((i = 1; i <= attempts[$n]; i++)); do
    cp "$T/packet.$n" "$T/damaged"
    if [ "$damage" = cut ]; then
      keep=$(((RANDOM * 32768 + RANDOM) % size))
      truncate -s $keep "$T/damaged"
      what="cut at $keep of $size"
    else
      flip_bit "$T/damaged" $from_end
      what="$damage: a bit flipped, $from_end before the end of $size"
    fi
    inject "$T/damaged" "$n"
    refused "$n" "$i"
    echo "packet $n, $what: refused, exit status $status"
  done
  applies "$n"
done
if [ "$damage" = cut ] && [ $at_gate -lt 5 ]; then fail "only $at_gate cuts reached the gate (seed $seed)"; fi
# A command that lived on could have committed late.
for n in 2 3; do
  for ((i = 1; i <= attempts[$n]; i++)); do
    if [ "$sink" = rename ] && is_committed "$n" "$T/refused.$n.$i"; then fail "packet $n, attempt $i: committed late"; fi
  done
done
echo "done: $at_gate damaged jobs reached the gate, none was committed (seed $seed)"
