# Nothing damaged gets into a command that commits at end-of-file.
load helpers

damaged_into_rename() {
  logged bash "$BATS_TEST_DIRNAME/gate.sh" rename "$1"
}

@test "a rename at end-of-file: never with a wrong MDC of gpg in its last byte" {
  damaged_into_rename gpg-mdc
}

@test "a rename at end-of-file: never with a wrong CRC of gzip in its last byte" {
  damaged_into_rename gzip-crc
}

@test "a rename at end-of-file: never with a wrong length in gzip's last byte" {
  damaged_into_rename gzip-length
}

@test "a rename at end-of-file: never with a wrong checksum of zstd in its last byte" {
  damaged_into_rename zstd-checksum
}

@test "a rename at end-of-file: never with packets cut at 20 random places" {
  damaged_into_rename cut
}
