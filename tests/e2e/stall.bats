# A pipeline in which no byte moves: who is named, what is done about it, and what is left alone.
load queue_helpers

# A command that stops itself before it has read anything, the first time only.
write_stopper() {
  cat >stopper <<'END'
#!/bin/sh
[ -e stopped-once ] || { : >stopped-once; kill -STOP $$; }
exec cat >got/1
END
  chmod 755 stopper
}

@test "a command that was stopped is named, and runs on when it is continued" {
  write_stopper
  random_bytes 3000000 >data
  add_job <data
  "$PENSTOCK" queue-process -q q --stall-after 1 ./stopper >out 2>err </dev/null &
  local run=$! stopper
  until_true grep -q 'R27' err
  stopper=$(sed -n 's/.*stopper \([0-9]*\).*/\1/p' err | head -n 1)
  grep -q 'job 1 .*no byte has moved for' err || { cat err; fail "does not say since when"; }
  [ "$(cut -d' ' -f3 "/proc/$stopper/stat")" = T ] || { cat err; fail "names another process: $stopper"; }
  kill -CONT "$stopper"
  wait $run || { cat err; fail "the run failed"; }
  cmp data got/1
}

@test "--on-stall kill ends the job, which has failed, and says what the doctor said" {
  write_stopper
  random_bytes 3000000 >data
  add_job <data
  process --stall-after 1 --on-stall kill --kill-after 3 ./stopper
  refused 1 "no byte has moved for"
  says R27
  [ $took -lt 20 ] || fail "took $took s"
  no_process_left
}

@test "--on-stall retry runs the job again, as its next attempt" {
  cat >stopper <<'END'
#!/bin/sh
[ "$PENSTOCK_ATTEMPT" != 1 ] || kill -STOP $$
echo "$PENSTOCK_ATTEMPT" >attempt
exec cat >got/1
END
  chmod 755 stopper
  random_bytes 3000000 >data
  add_job <data
  process --stall-after 1 --on-stall retry --kill-after 2 ./stopper
  succeeded 1
  says "running it again"
  [ "$(cat attempt)" = 2 ] || fail "attempt $(cat attempt)"
  cmp data got/1
}

@test "the report in quarantine has what the stall watch saw" {
  write_stopper
  random_bytes 3000000 >data
  add_job <data
  process --stall-after 1 --on-stall kill --kill-after 3 --on-error quarantine --max-attempts 1 ./stopper
  grep -rq '^stall: .*R27' q/penstock/quarantine || { show; grep -r . q/penstock/quarantine/*.report; fail "no stall"; }
}

@test "a decoder that has closed its output and lives is named as what the gate waits for" {
  cat >decoder <<'END'
#!/bin/sh
cat
exec >&- <&-
read -r word <go
END
  chmod 755 decoder && mkfifo go
  random_bytes 3000 >data
  add_job <data
  "$PENSTOCK" queue-process -q q --stall-after 1 -d ./decoder "${keep[@]}" >out 2>err </dev/null &
  local run=$!
  until_true grep -q 'R51' err
  echo >go
  wait $run || { cat err; fail "the run failed"; }
  cmp data got/1
}

@test "the commit tail is no stall" {
  random_bytes 3000 >data
  add_job <data
  process --stall-after 1 -d cat sh -- -c 'cat >got/1.tmp; sleep 4; mv got/1.tmp got/1'
  succeeded 1
  says_not "no byte has moved"
}

@test "a decoder that computes without a byte is no stall" {
  random_bytes 3000 >data
  add_job <data
  process --stall-after 1 -d 'sh -c "timeout 4 sh -c \"while :; do :; done\"; cat"' "${keep[@]}"
  succeeded 1
  says_not "no byte has moved"
}

@test "penstock run is watched, too" {
  status=0
  timeout -k 5 60 "$PENSTOCK" run --stall-after 1 --on-stall kill --kill-after 4 \
    sh -c 'kill -STOP $$' '|' cat >out 2>err </dev/null || status=$?
  [ $status -ne 0 ] || fail "success"
  grep -q 'R27' err || { cat err; fail "not named"; }
  no_process_left
}

@test "--stall-after 0 asks nobody" {
  write_stopper
  random_bytes 3000000 >data
  add_job <data
  process --stall-after 0 --on-stall kill --kill-after 2 ./stopper
  refused 1 "no byte has moved for"
  says_not R27
}
