# libpenstock, as it is installed: the example and a probe are built against that, by pkg-config and by find_package, and
# do what they say without changing anything of their own process.
load helpers

setup_file() {
  local repository
  repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  # The library of the build that the binary under test comes from.
  local build
  build=$(dirname "$(realpath "${PENSTOCK:-$repository/build/release/bin/penstock}")")/..
  if ! [ -f "$build/libpenstock.a" ]; then
    export NO_LIBRARY="SKIPPED: there is no libpenstock.a beside the binary under test"
    return 0
  fi
  {
    cmake --install "$build" --component library --prefix "$BATS_FILE_TMPDIR/first"
    # A tree that has been moved is as good.
    mv "$BATS_FILE_TMPDIR/first" "$BATS_FILE_TMPDIR/tree"
    export TREE=$BATS_FILE_TMPDIR/tree
    PKG_CONFIG_PATH=$(dirname "$(find "$TREE" -name penstock.pc)")
    export PKG_CONFIG_PATH
    cp -r "$repository/examples/who-is-stuck" "$BATS_FILE_TMPDIR/by-pkg-config"
    make -C "$BATS_FILE_TMPDIR/by-pkg-config"
    cmake -S "$repository/examples/who-is-stuck" -B "$BATS_FILE_TMPDIR/by-cmake" -DCMAKE_PREFIX_PATH="$TREE" \
      -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    cmake --build "$BATS_FILE_TMPDIR/by-cmake"
    # shellcheck disable=SC2046
    c++ -std=c++17 $(pkg-config --cflags penstock) -o "$BATS_FILE_TMPDIR/probe" \
      "$repository/tests/support/library_probe.cc" $(pkg-config --libs penstock)
  } >"$BATS_FILE_TMPDIR/log" 2>&1 || { cat "$BATS_FILE_TMPDIR/log"; return 1; }
}

setup() {
  if [ -n "${NO_LIBRARY:-}" ]; then skip "$NO_LIBRARY"; fi
  begin_test
  cd "$T" || return 1
}

teardown() {
  if [ -n "${NO_LIBRARY:-}" ]; then return 0; fi
  cd / || return 1
  end_test
}

examples() { echo "$BATS_FILE_TMPDIR/by-pkg-config/who-is-stuck" "$BATS_FILE_TMPDIR/by-cmake/who-is-stuck"; }

# probe TEST [PROGRAM]: what it says goes to stderr of ours, too.
# A pipe that it makes must not take the place of a closed stdin: that one is passed on.
probe() { timeout -k 5 60 "$BATS_FILE_TMPDIR/probe" "$1" "$T/made" "${@:2}" </dev/null; }

# stuck_reader: a pipeline whose reader is stopped; leaves `writer` and `reader`.
stuck_reader() {
  mkfifo fifo
  cat <fifo >/dev/null 3>&- &
  reader=$!
  yes >fifo 3>&- &
  writer=$!
  local tries=0
  # Both ends are open once it has become what it is to be.
  until [ "$(cat /proc/$reader/comm)" = cat ]; do sleep 0.01; done
  kill -STOP $reader
  until grep -q pipe_write /proc/$writer/wchan; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "yes does not fill the pipe"
    sleep 0.05
  done
}

end_stuck_reader() {
  kill -KILL $reader $writer
  wait $reader $writer || true
}

@test "library: each header stands alone, in C++17 and without a warning" {
  local header
  for header in "$TREE"/include/penstock/*.h; do
    c++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -I"$TREE/include" \
      -include "$header" -x c++ /dev/null
  done
}

@test "library: the archive needs zlib, pthread and the C++ library, and no more" {
  local missing
  printf 'int main(int argc, char** argv) { penstock::api::Helper::in_this_program(argc, argv); }\n' >all.cc
  c++ -include penstock/pipeline.h -I"$TREE/include" -o all all.cc \
    -Wl,--whole-archive "$(find "$TREE" -name libpenstock.a)" -Wl,--no-whole-archive -lz -pthread
  missing=$(ldd all | grep -vE 'linux-vdso|libz\.|libstdc\+\+|libgcc_s|libc\.|libm\.|ld-linux' || true)
  [ -z "$missing" ] || fail "$missing"
}

@test "library: the example copies, and there is no copy where a stage failed" {
  local example
  head -c 500000 /dev/urandom >data
  for example in $(examples); do
    rm -f copy
    "$example" --copy data copy
    cmp data copy
    rm copy
    run "$example" --copy missing copy
    [ "$status" = 1 ]
    [[ $output == *"failed: gzip exited 1"* ]] || fail "$output"
    [ ! -e copy ]
  done
}

@test "library: the example tells who is stuck, and that nobody is" {
  local example
  stuck_reader
  for example in $(examples); do
    run "$example" $writer
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == R27* && $output == *"$reader"* ]]
  done
  end_stuck_reader
  sleep 1000 3>&- &
  run "$example" $!
  kill $!
  [ "$status" = 0 ]
  [[ $output == *"nobody is stuck"* ]] || fail "$output"
}

@test "library: the calling process is as it was, whatever came of the run" { probe untouched; }
@test "library: a stage gets three descriptors, its environment and default signals" { probe stages; }
@test "library: a caller that ignores SIGCHLD hears of every status" { probe sigchld_ignored; }
@test "library: a run that is cancelled or dropped ends, its gate shut" { probe cancelled; }
@test "library: a signal to the helper is a run that was interrupted" { probe interrupted; }
@test "library: the options do what they say" { probe options; }
@test "library: kill -9 of the helper ends the stages, the gate shut" { probe helper_killed; }
@test "library: kill -9 of the keeper ends the stages, the gate shut" { probe keeper_killed; }
@test "library: what cannot be is an Error that says so" { probe refused; }
@test "library: several at once, from threads" { probe several; }
@test "library: the installed penstock as helper" {
  probe untouched "$PENSTOCK"
  rm made
  probe helper_killed "$PENSTOCK"
}

@test "library: kill -9 of the caller ends the stages, the gate shut" {
  run probe caller_dies
  [ "$status" = 137 ]
  # no_process_left waits until they are gone
  no_process_left
  [ ! -e made ]
}

@test "library: a helper of another version is refused" {
  cat >other <<-'SCRIPT'
	#!/bin/sh
	exec 3<&-
	exit 78
	SCRIPT
  chmod +x other
  run probe untouched "$T/other"
  [[ $output == *"other: it is of another version than this library"* ]] || fail "$output"
}

@test "library: a diagnosis says the same from saved snapshots" {
  stuck_reader
  echo $writer >made
  run probe diagnosis
  end_stuck_reader
  [ "$status" = 0 ] || fail "$output"
  [ "$output" = "R27 $reader" ] || fail "$output"
}
