#!/usr/bin/python3
"""A daemon that has nothing to do with it got the write end: the writer is gone, the reader waits for ever."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
daemon = start(["sleep", 1000], keep=(w,), close=False, apart=True)
writer = start(["echo", "all there is"], stdout=w)
reader = start(["cat"], stdin=r)
reap(writer)
until_asleep(reader, *PIPE_READ)
stands(daemon, [reader])
