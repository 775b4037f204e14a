# Sourced by the demo and the end-to-end tests: real ZFS, gpg and data that changes. docs/real-parts.md has the facts.

# The decoder that started it all, and the wrong way round: what makes such packets.
seed_decoder="bash -c 'gpg -q -d 2>/dev/null | zstdcat -T0'"
gpg_user=backup@example.invalid

# in_namespaces COMMAND...: run it as the first process of namespaces of its own. When it ends, all it started ends.
in_namespaces() {
  unshare --mount --pid --net --fork --kill-child --mount-proc "$@"
}

# why_no_zfs: prints the reason and returns 0 where ZFS cannot be had; otherwise returns 1.
why_no_zfs() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "not root"
  elif [ ! -c /dev/fuse ] || ! { : <>/dev/fuse; } 2>/dev/null; then
    echo "no /dev/fuse that can be opened"
  elif ! command -v zfs-fuse >/dev/null || ! command -v zstreamdump >/dev/null; then
    echo "no zfs-fuse"
  elif ! in_namespaces mount -t tmpfs tmpfs /mnt 2>/dev/null; then
    echo "no right to make namespaces and mounts"
  else
    return 1
  fi
}

# start_zfs DIR: an instance of zfs-fuse for us alone, its log in DIR. To be called inside in_namespaces: its socket and
# its lock are in /run, its list of pools in /var/lib/zfs, and both are covered for everybody in the namespace.
start_zfs() {
  local tries=0
  mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/zfs /run/lock/zfs /var/lib/zfs &&
    mount -t tmpfs tmpfs /var/lib/zfs || return 1
  zfs-fuse --no-daemon --no-kstat-mount >"$1/zfs-fuse.log" 2>&1 &
  # Half a second at most, as a rule; it tells nobody when it is ready.
  until [ -S /run/zfs/zfs_socket ] && zpool list >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || { echo "zfs-fuse does not answer" >&2; return 1; }
    sleep 0.05
  done
}

# make_pool NAME DIR: a pool in a file, mounted below DIR/mnt.
make_pool() {
  truncate -s 512M "$2/$1.img" && zpool create -m "$2/mnt/$1" "$1" "$2/$1.img" 2>"$2/zpool.log" ||
    { cat "$2/zpool.log" >&2; return 1; }
}

# make_gpg_home DIR: an empty one, for us alone, in GNUPGHOME. DIR must be short: the agent's socket has at most 107 bytes.
make_gpg_home() {
  mkdir -m 700 "$1" && export GNUPGHOME=$1
}

make_gpg_key() {
  gpg -q --batch --pinentry-mode loopback --passphrase '' --quick-generate-key $gpg_user future-default default never \
    2>"$GNUPGHOME/log" || { cat "$GNUPGHOME/log" >&2; return 1; }
}

encrypt() {
  gpg --batch -q --trust-model always --compress-algo none -r $gpg_user -e
}

end_gpg_agent() { gpgconf --kill gpg-agent 2>/dev/null; }

# short_temp NAME: a new directory, at a path that leaves room for gpg's socket.
short_temp() {
  local parent=${TMPDIR:-/tmp}
  [ ${#parent} -le 60 ] || parent=/tmp
  mktemp -d "$parent/penstock-$1.XXXXXX"
}

# change_data DIR N: the Nth day of somebody's work. Small days and large ones, new, grown, rewritten, renamed and
# removed files; random bytes do not shrink on the way.
change_data() {
  local dir=$1 n=$2
  mkdir -p "$dir/letters" "$dir/pictures"
  printf 'day %d: %s\n' "$n" "$(date -u +%FT%T.%N)" >>"$dir/diary.txt"
  seq -f "day $n, line %g" 1 $((n * 40)) >"$dir/letters/letter $n.txt"
  if [ $((n % 3)) -eq 1 ]; then head -c $((200000 + n * 11111)) /dev/urandom >"$dir/pictures/$n.raw"; fi
  if [ $((n % 4)) -eq 2 ]; then
    head -c 70000 /dev/urandom | dd of="$dir/pictures/1.raw" bs=1000 seek=$((n * 7)) conv=notrunc status=none
  fi
  if [ $((n % 5)) -eq 3 ]; then mv "$dir/letters/letter $((n - 1)).txt" "$dir/letters/answered $((n - 1)).txt"; fi
  if [ $((n % 5)) -eq 4 ]; then rm "$dir/letters/letter $((n - 3)).txt"; fi
  ln -sf "letters/letter $n.txt" "$dir/newest"
  chmod $((600 + n % 2 * 40)) "$dir/diary.txt"
}

# tree_digest DIR: names, contents, modes, owners, times and links as one number.
tree_digest() {
  tar -C "$1" --sort=name --format=posix --pax-option='exthdr.name=%d/%f,delete=atime,delete=ctime' -cf - . |
    sha256sum | cut -d' ' -f1
}

# snapshot_guid FS@SNAP: what ZFS itself knows a snapshot by.
snapshot_guid() {
  zfs send "$1" | zstreamdump | awk '$1 == "toguid" { print $3 }'
}

# snapshot_digest FS@SNAP DIR: the tree_digest of a snapshot, through a clone that is mounted on DIR meanwhile.
snapshot_digest() {
  local clone=${1%%/*}/clone-to-compare tries=0
  mkdir -p "$2"
  zfs clone -o readonly=on -o mountpoint="$2" "$1" "$clone" && tree_digest "$2"
  # Right after a mount was read it may still be busy.
  until zfs destroy "$clone" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || return 1
    sleep 0.05
  done
}

# shuffled SEED: the lines of stdin in an order that the number decides.
shuffled() {
  awk -v seed="$1" 'BEGIN { srand(seed) } { printf "%.9f\t%s\n", rand(), $0 }' | sort -n | cut -f2-
}

# flip_bit FILE FROM_END: turn over the lowest bit of the byte that is FROM_END bytes before the end (1: the last one).
flip_bit() {
  local at byte
  at=$(($(stat -c %s "$1") - $2))
  byte=$(od -An -tu1 -j $at -N 1 "$1")
  printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
