# What a stranger can put into a queue and its job files: too much payload, parameters that are options, names that lead
# elsewhere. Each is refused in one line, and nothing of it is committed.
load queue_helpers

all_gates=('' '--gate=hold' '--gate=eof' '--gate=off' '--verify=before' '--early-end=close')

# limited_to LIMIT SIZE OPTION...: a job of SIZE bytes under each gate, run with --max-payload LIMIT.
limited_to() {
  local limit=$1 size=$2 gate
  shift 2
  for gate in "${all_gates[@]}"; do
    rm -rf got/* got/.part*
    cp "job-$size" q/jobs/fspl-1.fspl
    penstock queue-set-next -q q 1
    # shellcheck disable=SC2086
    process --max-payload "$limit" "$@" $gate "${keep[@]}"
    if [ "$size" -le "$limit" ]; then
      succeeded 1 && cmp "payload-$size" got/1 || fail "limit $limit, $size bytes, $* $gate" || return 1
    else
      refused 1 "job 1 (fspl-1.fspl) failed: its payload is larger than the $limit bytes that --max-payload allows" ||
        fail "limit $limit, $size bytes, $* $gate" || return 1
      [ "$(grep -c . err)" = 1 ] || { show; fail "more than one line ($* $gate)" || return 1; }
    fi
  done
}

# sizes ENCODER...: payloads of these many bytes, and their job files.
make_sizes() {
  local size
  for size in 0 1 1000 1001 65536 65537 3000000 3000001; do
    random_bytes $size >payload-$size
    penstock prepare -s - -i payload-$size "${seal[@]}" | "$@" >job-$size
  done
}

exact_limits() {
  local limit
  limited_to 0 0 "$@" && limited_to 0 1 "$@" || return 1
  for limit in 1000 65536 3000000; do
    limited_to $limit $limit "$@" && limited_to $limit $((limit + 1)) "$@" || return 1
  done
}

@test "max-payload: the limit and one byte more, plain" {
  seal=()
  make_sizes cat
  exact_limits
}

@test "max-payload: the limit and one byte more, through gzip" {
  seal=()
  make_sizes gzip -1
  exact_limits -d 'gzip -dc'
}

@test "max-payload: the limit and one byte more, sealed, through zstd" {
  seal=(--seal)
  make_sizes zstd -q
  exact_limits -d 'zstd -dcq'
}

@test "max-payload: stdin-process, through a pipe and as a file" {
  local way
  random_bytes 1000 >payload
  penstock prepare -s - -i payload >job
  for way in --gate=hold --gate=eof --gate=off --verify=before --stdin=file; do
    rm -rf got/* got/.part*
    penstock stdin-process --max-payload 1000 $way "${keep[@]}" <job
    cmp payload got/1 || fail "1000 of 1000 ($way)" || return 1
    rm -rf got/*
    status=0
    penstock stdin-process --max-payload 999 $way "${keep[@]}" <job 2>err || status=$?
    [ $status = 1 ] || fail "status $status ($way)" || return 1
    says "job 1 (standard input) failed: its payload is larger than the 999 bytes that --max-payload allows"
    not_committed 1
    [ $way = --stdin=file ] && continue
    status=0
    cat job | penstock stdin-process --max-payload 999 $way "${keep[@]}" 2>err || status=$?
    [ $status = 1 ] || fail "status $status (pipe, $way)" || return 1
    not_committed 1
  done
}

# zip_bomb GIB: a job file of some KiB whose payload is so long.
zip_bomb() {
  penstock prepare -s - >header
  { cat header; head -c "$1G" /dev/zero; } | zstd -q -1 >q/jobs/fspl-1.fspl
}

@test "max-payload: a zip bomb fails promptly, in little memory, and is not committed" {
  local gate most
  zip_bomb 4
  [ "$(stat -c %s q/jobs/fspl-1.fspl)" -lt 1000000 ]
  for gate in "${all_gates[@]}"; do
    status=0
    # shellcheck disable=SC2086
    command time -f %M -o peak timeout 60 "$PENSTOCK" queue-process -q q --max-payload 10M $gate -d 'zstd -dcq' \
      "${keep[@]}" >out 2>err </dev/null || status=$?
    refused 1 "job 1 (fspl-1.fspl) failed: its payload is larger than the 10485760 bytes that --max-payload allows" ||
      fail "with $gate" || return 1
    # What was handed on before the limit is in no file that has a name.
    [ "$(find got -type f -size +10M | wc -l)" = 0 ] || fail "more than the limit was written ($gate)" || return 1
    most=$(tail -1 peak)
    echo "$gate: peak $most KiB"
    [ "$most" -lt 40000 ] || fail "$most KiB ($gate)" || return 1
    rm -rf got/* got/.part*
  done
}

@test "max-payload: of a command that has had enough the rest is measured, too" {
  zip_bomb 1
  process --max-payload 10M -d 'zstd -dcq' head -- -c 5
  failed_job 1 "its payload is larger than the 10485760 bytes"
}

@test "max-payload: penstock run, and what makes no sense" {
  status=0
  penstock run --max-payload 1000 head -c 1000 /dev/zero '|' sh -c 'cat >a' || fail "1000 of 1000"
  [ "$(stat -c %s a)" = 1000 ]
  penstock run --max-payload 1000 head -c 1001 /dev/zero '|' "${keep[@]:0:1}" x 2>err || status=$?
  [ $status = 125 ]
  says "its payload is larger than the 1000 bytes that --max-payload allows"
  status=0
  penstock run --max-payload 1K cat 2>err </dev/null || status=$?
  [ $status = 2 ]
  status=0
  penstock queue-process -q q --max-payload 1K --ignore-payload true 2>err || status=$?
  [ $status = 2 ]
  status=0
  penstock queue-process -q q --max-payload many true 2>err || status=$?
  [ $status = 2 ]
}

# job_with PARAMETER...: the next job, which carries them.
job_with() {
  jobs=$((jobs + 1))
  penstock prepare -s "$T/seq" -- "$@" >"$T/q/jobs/fspl-$jobs.fspl"
}

@test "job parameters: every one must match the pattern, before the command is started" {
  job_with tank/home backup-1
  process --allow-job-params='[a-z0-9/][a-z0-9/_-]*' sh -- -c 'printf "%s," "$@" >args' sh
  succeeded 1
  [ "$(cat args)" = "tank/home,backup-1," ]
  local bad
  for bad in --output=/etc/passwd -x '' 'a b' 'a;b' $'a\nb' $'\e[2J' TANK $'\xff'; do
    job_with good "$bad"
    rm -f args
    process --on-error Delete --allow-job-params='[a-z0-9/][a-z0-9/_-]*' sh -- -c 'echo "$@" >args' sh
    succeeded $jobs
    [ ! -e args ] || fail "the command was started: $(printf %q "$bad")" || return 1
    says "its parameter 2 is not one that --allow-job-params allows: '"
    ! grep -q $'\e' err || fail "the terminal's own language" || return 1
  done
}

@test "job parameters: the parameter is shown escaped, and cut" {
  job_with "$(printf '\033]0;x\007%05000d' 0)"
  process --allow-job-params='[a-z]+' --detailed-exit true
  [ "$status" = 65 ] || { show; fail "status"; }
  says "failed: its parameter 1 is not one that --allow-job-params allows: '\\x1b]0;x\\x07000"
  [ "$(wc -c <err)" -lt 600 ]
}

@test "job parameters: a pattern that is none, and the option as fspl has it" {
  job_with -n
  local bad
  for bad in '[' 'a{2,1}' ''; do
    status=0
    penstock queue-process -q q --allow-job-params="$bad" true 2>err || status=$?
    [ $status = 2 ] || { cat err; fail "status $status for '$bad'"; }
  done
  process --never-delete --allow-job-params printf -- '%s,' x
  [ "$(cat out)" = "x,-n," ]
  penstock queue-set-next -q q 1
  process --never-delete --allow-job-params --params-after-dashes printf -- '%s,' x
  [ "$(cat out)" = "x,--,-n," ]
}

# The exploits below are another user's, or nobody's.
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

@test "queue-check: clean, and each thing that lets others meddle" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  penstock queue-check -q q || fail "a new queue"
  penstock queue-init -q p --private
  penstock queue-check -q p || fail "a private queue"
  [ "$(stat -c %a p p/jobs p/nextseq p/nextseq.lock | tr '\n' ' ')" = "700 700 600 600 " ]

  # warns WORDS COMMAND...: once it was run, one line says so, and none any more when it is undone.
  warns() {
    local words=$1
    shift
    rm -rf w && penstock queue-init -q w && "$@"
    status=0
    penstock queue-check -q w >out 2>err || status=$?
    if [ $status != 1 ] || [ "$(wc -l <out)" != 1 ] || ! grep -qF -- "$words" out; then
      cat out err
      fail "status $status, and not: $words ($*)"
    fi
  }
  warns "w belongs to uid 65534" chown 65534 w
  warns "w is writable for its group" chmod 775 w
  warns "w is writable for everybody" chmod 777 w
  warns "w/jobs is writable for everybody: anybody can have jobs run" chmod 1777 w/jobs
  warns "w/jobs is writable for its group and not sticky" chmod 775 w/jobs
  warns "w/jobs belongs to uid 65534" chown 65534 w/jobs
  warns "w/nextseq is writable for its group" chmod 664 w/nextseq
  warns "w/nextseq belongs to uid 65534" chown 65534 w/nextseq
  warns "w/nextseq.lock is writable for everybody" chmod 666 w/nextseq.lock
  planted() { rm "w/$1" && ln -s ../seq "w/$1"; }
  warns "w/nextseq is a symbolic link" planted nextseq
  warns "w/nextseq.lock is a symbolic link" planted nextseq.lock
  linked() { ln "w/$1" w/other; }
  warns "w/nextseq has 2 names" linked nextseq
  warns "w/jobs/fspl-a.fspl is a symbolic link" ln -s ../../seq w/jobs/fspl-a.fspl
  warns "w/jobs/fspl-a.fspl is a FIFO" mkfifo w/jobs/fspl-a.fspl
  warns "w/jobs/fspl-a.fspl is a device" mknod w/jobs/fspl-a.fspl c 1 3
  warns "w/jobs/fspl-a.fspl is a directory" mkdir w/jobs/fspl-a.fspl
  two_names() { touch secret && ln -f secret w/jobs/fspl-a.fspl; }
  warns "w/jobs/fspl-a.fspl has 2 names" two_names
  of_another() { touch w/jobs/fspl-a.fspl && chown 65534 w/jobs/fspl-a.fspl; }
  warns "w/jobs/fspl-a.fspl belongs to uid 65534" of_another
  for_all() { touch w/jobs/fspl-a.fspl && chmod 666 w/jobs/fspl-a.fspl; }
  warns "w/jobs/fspl-a.fspl is writable for everybody" for_all
  half_a_file() { touch -d '2 days ago' w/jobs/tmp-a.fspl.tmp; }
  warns "w/jobs/tmp-a.fspl.tmp was left by a writer" half_a_file
  quarantine() { mkdir w/penstock && mkdir -m "$1" w/penstock/quarantine; }
  warns "w/penstock/quarantine is writable for everybody" quarantine 777
  warns "w/penstock/quarantine is open to others" quarantine 755
  in_the_open() { mkdir -p open && chmod 777 open && rm -rf open/w && penstock queue-init -q open/w && rm -rf w && ln -s open/w w; }
  warns "/open is writable for everybody and not sticky: the queue in it can be replaced" in_the_open
  rm w

  ln -s ../seq q/jobs/$'fspl-\e.fspl'
  status=0
  penstock queue-check -q q --json >out || status=$?
  [ $status = 1 ] && [ "$(jq -r '.[0].kind, (.|length)' out | tr '\n' ' ')" = "link 1 " ]
  status=0
  penstock queue-check -q nowhere 2>err || status=$?
  [ $status = 2 ] && says "there is no queue nowhere"
  mkdir none
  status=0
  penstock queue-check -q none 2>err || status=$?
  [ $status = 2 ] && says "none is not a queue"
}

# A queue where nobody may add names, not sticky; what is in it so far is ours.
everybodys_queue() {
  [ "$(id -u)" = 0 ] || skip "needs root"
  chmod 711 "$T"
  chmod 777 q q/jobs
  echo secret >secret
  chmod 600 secret
}

@test "planted links: not followed for job files, number, lock, output and quarantine" {
  everybodys_queue
  penstock prepare -s - -i secret >secret-job
  chmod 600 secret-job
  as_nobody ln -s "$T/secret-job" q/jobs/fspl-1.fspl
  process "${keep[@]}"
  [ "$status" = 0 ] || { show; fail "others are not stopped by it"; }
  says "symbolic link of uid 65534, which is not followed"
  not_committed 1
  rm q/jobs/fspl-1.fspl
  # Our own are, as with fspl.
  ln -s "$T/secret-job" q/jobs/fspl-1.fspl
  process --never-delete "${keep[@]}"
  [ "$status $(cat q/nextseq)" = "0 2" ] || { show; fail "our own link"; }
  cmp secret got/1
  rm q/jobs/fspl-1.fspl

  penstock queue-set-next -q q 1
  cp secret-job q/jobs/fspl-1.fspl
  echo 1 >number
  local name
  for name in nextseq nextseq.lock; do
    as_nobody mv q/$name q/$name.aside
    as_nobody ln -s "$T/number" q/$name
    process "${keep[@]}"
    [ "$status" = 1 ] || { show; fail "$name: status"; }
    says "q/$name is a symbolic link of uid 65534, which is not followed"
    not_committed 2
    as_nobody mv q/$name.aside q/$name
  done
  [ "$(cat number)" = 1 ]

  as_nobody ln -s "$T/number" q/jobs/fspl-1.fspl.out
  process --output-to SaveBoth echo -- evil
  [ "$status" = 1 ] || { show; fail ".out: status"; }
  says "q/jobs/fspl-1.fspl.out is a symbolic link of uid 65534, which is not followed"
  rm q/jobs/fspl-1.fspl.out
  ln number q/jobs/fspl-1.fspl.out
  process --output-to SaveBoth echo -- evil
  says "q/jobs/fspl-1.fspl.out has other names elsewhere (2 hard links): nothing is written to it"
  [ "$(cat number)" = 1 ]
  rm q/jobs/fspl-1.fspl.out

  as_nobody mkdir -m 777 q/trap
  as_nobody ln -s trap q/penstock
  process --on-error quarantine false
  [ "$status" = 1 ] || { show; fail "quarantine: status"; }
  says "q/penstock is a symbolic link of uid 65534, which is not followed"
  [ -e q/jobs/fspl-1.fspl ] && [ -z "$(ls q/trap)" ]
}

@test "planted names: a hard link to a secret and a FIFO are no job, and stay as they are" {
  everybodys_queue
  ln secret q/jobs/fspl-a.fspl
  as_nobody mkfifo q/jobs/fspl-b.fspl
  add_job <secret
  process "${keep[@]}"
  succeeded 1
  says "fspl-a.fspl"
  says "is a FIFO"
  [ "$(cat secret)" = secret ] && [ -e q/jobs/fspl-a.fspl ]
}

@test "planted links: the same on a kernel, or below a filter, without openat2" {
  everybodys_queue
  local error
  for error in ENOSYS EPERM; do
    rm -f q/jobs/* got/*
    penstock queue-set-next -q q 1
    penstock prepare -s - -i secret >q/jobs/fspl-1.fspl
    as_nobody ln -s "$T/secret" q/jobs/fspl-x.fspl
    status=0
    strace -f -qq -o trace -e trace=openat2 -e inject=openat2:error=$error \
      "$PENSTOCK" queue-process -q q "${keep[@]}" >out 2>err || status=$?
    succeeded 1
    grep -q INJECTED trace
    says "symbolic link of uid 65534, which is not followed"
  done
}
