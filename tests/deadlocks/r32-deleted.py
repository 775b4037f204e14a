#!/usr/bin/python3
"""The same with a FIFO that was deleted meanwhile: nobody can come any more."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

os.mkfifo("fifo")
r, w = pipe()
opener = start(["sh", "-c", "exec tr a b <fifo"], stdout=w)
sink = start(["sort"], stdin=r)
until_asleep(opener, "wait_for_partner")
until_asleep(sink, *PIPE_READ)
os.unlink("fifo")
stands(opener, [sink])
