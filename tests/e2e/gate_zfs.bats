# Nothing damaged gets into `zfs receive`, which commits at its own end mark and not at end-of-file.
load helpers

damaged_into_zfs() {
  need_zfs
  logged in_namespaces bash "$BATS_TEST_DIRNAME/gate.sh" zfs "$1"
}

@test "zfs receive: a wrong MDC of gpg in its last byte makes no snapshot" {
  damaged_into_zfs gpg-mdc
}

# bats test_tags=full
@test "zfs receive: a wrong CRC of gzip in its last byte makes no snapshot" {
  damaged_into_zfs gzip-crc
}

# bats test_tags=full
@test "zfs receive: a wrong length in gzip's last byte makes no snapshot" {
  damaged_into_zfs gzip-length
}

# bats test_tags=full
@test "zfs receive: a wrong checksum of zstd in its last byte makes no snapshot" {
  damaged_into_zfs zstd-checksum
}

# bats test_tags=full
@test "zfs receive: packets cut at 20 random places make no snapshot" {
  damaged_into_zfs cut
}
