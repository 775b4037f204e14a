#!/usr/bin/python3
"""SIGPIPE is ignored, nobody reads, and the writer does not look at the error: it spins."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
writer = start(["perl", "-e", "$SIG{PIPE} = q(IGNORE); $| = 1; print qq(x\\n) while 1"], stdout=w)
consumer = start(["head", "-1"], stdin=r)
reap(consumer)
until(lambda: state(writer) == "R" and int(read(f"/proc/{writer}/status").split("SigIgn:\t")[1].split()[0], 16) & 0x1000,
      "the writer spins")
stands(writer, [writer], moving=True)
