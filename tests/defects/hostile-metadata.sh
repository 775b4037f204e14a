#!/bin/bash
# Hostile: metadata that claims more than it has, or is nested without end.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
wrap() { pkt wrap "$1" > q/jobs/fspl-h.fspl; newq_; }
newq_() { rm -f ran; }
nested=$(perl -e 'print "81a1" . "78" . "91" x 100000, "c0"')
for hex in ddffffffff dfffffffff 83a373657101 c1 ''; do
  newq; jobs_ 1 2; wrap "$hex"; others_go_on "map '$hex'"
done
newq; jobs_ 1 2; rm -f ran
perl -e 'my ($pkt) = @ARGV; @ARGV = ("map"); open my $n, ">", "/dev/null"; my $o = select $n; do $pkt; select $o; binmode STDOUT; print packet("\x81\xa1x" . "\x91" x 500000 . "\xc0")' "$HARNESS/pkt.pl" > q/jobs/fspl-h.fspl
others_go_on "arrays in arrays"
finish
