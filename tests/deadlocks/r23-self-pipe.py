#!/usr/bin/python3
"""A signal handler's self-pipe is full, and the one who would empty it is the one who writes."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

loop = python("""
r, w = os.pipe()
while True:
    os.write(w, b"!" * 512)
""")
until_asleep(loop, *PIPE_WRITE)
stands(loop, [loop])
