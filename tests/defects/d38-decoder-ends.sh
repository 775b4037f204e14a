#!/bin/bash
# D38: all processes of a decoder end after the header, and may clean up.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
bounded 20 fspl queue-ls -q q -d 'cat; sleep 60 & echo $! >> pids; wait'
is "exit status" "$RC" 0
is "nothing lives on" "$(alive $(cat pids))" ""
kill -KILL $(cat pids) 2>/dev/null; rm -f pids
bounded 20 fspl queue-ls -q q -d 'trap "echo clean >> cleaned; exit" TERM PIPE; cat; sleep 20'
is "with time to clean up" "$(grep -c clean cleaned)" 2
cat > spy <<'END'
#!/bin/bash
cat; sleep 60 & echo $! >> pids; exec 1>&-; wait
END
chmod +x spy
bounded 20 fspl queue-process -q q -n 0 -d './spy | cat' true
bounded 20 fspl queue-info -q q -j 1 -d './spy | cat'
is "members of its pipeline, too" "$(alive $(cat pids))" ""
kill -KILL $(cat pids) 2>/dev/null
finish
