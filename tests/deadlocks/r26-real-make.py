#!/usr/bin/python3
"""The real make: job a waits for job b, and the token that b would need was eaten by a client that died."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need("make")
with open("Makefile", "w") as f:
    f.write("all: a b\na:\n\tcat fifo >/dev/null\nb:\n\techo x >fifo\n")
os.mkfifo("fifo")
# We are the jobserver, and its one token is gone.
r, w = pipe()
thief = start(["dd", "bs=1", "count=1"], stdin=r, close=False)
os.write(w, b"+")
reap(thief)
make = start(["make", "all"], keep=(r, w), env={**os.environ, "MAKEFLAGS": f" -j --jobserver-auth={r},{w}", "MAKELEVEL": "1"})
until(lambda: any(sleeps_in(p, "wait_for_partner") for p in descendants(make)), "job a waits for b")
until_asleep(make, "poll", "select", "do_wait", *PIPE_READ)
opener = [p for p in descendants(make) if sleeps_in(p, "wait_for_partner")][0]
# Make sleeps in select: the starved pool is no proof of anything, but job a without its partner is.
stands([0, make, opener], [make], rule=["R26", "R32"])
