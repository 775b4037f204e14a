#!/usr/bin/python3
"""The same in tee(2): duplicating into a pipe that only the caller could empty."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

loop = python("""
import ctypes
libc = ctypes.CDLL(None)
r0, w0 = os.pipe()
r, w = os.pipe()
os.write(w0, bytes(4096))
while True:
    libc.tee(r0, w, 4096, 0)
""")
until_asleep(loop, *PIPE_WRITE)
stands(loop, [loop])
