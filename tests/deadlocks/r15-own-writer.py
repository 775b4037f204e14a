#!/usr/bin/python3
"""cat has inherited the write end of its own input."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
writer = start(["echo", "all there is"], stdout=w, close=False)
reader = start(["cat"], stdin=r, keep=(w,))
reap(writer)
until_asleep(reader, *PIPE_READ)
stands(reader, [reader])
