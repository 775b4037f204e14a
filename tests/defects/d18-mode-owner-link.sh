#!/bin/bash
# D18: writing a number keeps mode, owner and symbolic link.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
look() { stat -Lc '%a %u %g' "$1"; }
sender() { fspl prepare-nop -s "$1" > /dev/null; }
echo 1 > sf; chmod 600 sf; [ "$(id -u)" = 0 ] && chown 65534:65534 sf; was=$(look sf)
sender sf
is "prepare: mode and owner" "$(look sf)" "$was"
is "prepare: written" "$(cat sf)" 2
fspl prepare-set-next -s sf 5
is "prepare-set-next: mode and owner" "$(look sf) $(cat sf)" "$was 5"
mkdir real; echo 3 > real/n; ln -s real/n link
sender link
is "prepare: the link stays, its end is written" "$(readlink link) $(cat real/n)" "real/n 4"
newq; jobs_ 1 2; mv q/nextseq real/next; ln -s ../real/next q/nextseq; chmod 640 real/next; was=$(look q/nextseq)
fspl queue-process -q q true
is "queue-process: link and mode" "$(readlink q/nextseq) $(look q/nextseq) $(cat real/next)" "../real/next $was 3"
fspl queue-set-next -q q 8
is "queue-set-next: link and mode" "$(readlink q/nextseq) $(look q/nextseq) $(cat real/next)" "../real/next $was 8"
finish
