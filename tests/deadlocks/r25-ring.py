#!/usr/bin/python3
"""Three cats in a ring: each waits for the next one's first byte."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

a, b, c = pipe(), pipe(), pipe()
ring = [start(["cat"], stdin=x[0], stdout=y[1]) for x, y in ((a, b), (b, c), (c, a))]
for cat in ring:
    until_asleep(cat, *PIPE_READ)
stands(ring, ring[:1])
