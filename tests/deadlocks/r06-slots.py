#!/usr/bin/python3
"""Writes of 2049 bytes take a slot of a page each: the pipe is full when half its bytes are in. The reader sleeps."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
reader = start(["sleep", 1000], stdin=r)
writer = python("""
while True:
    os.write(1, b"x" * 2049)
""", stdout=w)
until_asleep(writer, *PIPE_WRITE)
stands(writer, [writer], severity="info")
