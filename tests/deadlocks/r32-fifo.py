#!/usr/bin/python3
"""A stage opens a FIFO for reading, and nobody ever opens it for writing."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

os.mkfifo("fifo")
r, w = pipe()
opener = start(["cat", "fifo"], stdout=w)
sink = start(["sort"], stdin=r)
until_asleep(opener, "wait_for_partner")
until_asleep(sink, *PIPE_READ)
stands(opener, [sink])
