#!/bin/bash
# D27: a time limit ends the job's whole tree, without a fixed sleep.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
start=$(date +%s%N)
bounded 20 fspl queue-process -q q --timeout 1 bash -- -c 'sleep 60 & echo $! > pid; (sleep 61; :) & echo $! >> pid; sleep 62'
ms=$((($(date +%s%N) - start) / 1000000))
is "exit status" "$RC" 1
is "the whole tree is gone" "$(alive $(cat pid))" ""
is "soon after the limit" "$([ $ms -ge 1000 ] && [ $ms -lt 1450 ] && echo yes || echo $ms)" yes
is "the job stays" "$(state)" "next=1 jobs=fspl-1.fspl"
kill -KILL $(cat pid) 2>/dev/null
bounded 20 fspl queue-process -q q -d 'cat; sleep 60 & echo $! > dpid; wait' --timeout 1 cat
is "a decoder that does not end: exit status" "$RC" 1
is "a decoder that does not end: gone" "$(alive $(cat dpid))" ""
kill -KILL $(cat dpid) 2>/dev/null
runin q/jobs/fspl-1.fspl timeout -k 1 20 fspl stdin-process --timeout 1 bash -- -c 'sleep 60 & echo $! > pid; wait'
is "stdin-process: exit status" "$RC" 1
is "stdin-process: gone" "$(alive $(cat pid))" ""
kill -KILL $(cat pid) 2>/dev/null
finish
