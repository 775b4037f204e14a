#!/usr/bin/python3
"""A pipe of one page, used as a semaphore: 6 bytes are in it, at the page's end, and both users sleep in write."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe(4096)
os.write(w, b"x" * 4096)
os.read(r, 4090)
users = [python("""
r, w = int(sys.argv[1]), int(sys.argv[2])
while True:
    os.write(w, b"+")
    os.read(r, 1)
""", r, w, keep=(r, w), close=False) for _ in range(2)]
os.close(r)
os.close(w)
for user in users:
    until_asleep(user, *PIPE_WRITE)
stands([0, *users], users[:1], also=["R23", "R25"])
