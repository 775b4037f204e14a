#!/usr/bin/python3
"""A pipe in packet mode: sixteen writes of a byte fill it. The reader does not read."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe(flags=os.O_DIRECT)
reader = start(["sleep", 1000], stdin=r)
writer = python("""
while True:
    os.write(1, b"x")
""", stdout=w)
until_asleep(writer, *PIPE_WRITE)
stands(writer, [writer], severity="info")
