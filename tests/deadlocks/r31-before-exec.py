#!/usr/bin/python3
"""A child, forked while another thread held a lock, waits for that lock before its exec; the parent waits for its word."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
parent = start([c_program("halt", "spawner"), "cat"], stdout=w, env={**os.environ, "HALT": "spawn"})
reader = start(["sort"], stdin=r)
until(lambda: children(parent), "the child is there")
child = children(parent)[0]
until_asleep(child, "futex")
until_asleep(parent, *PIPE_READ)
until_asleep(reader, *PIPE_READ)
stands(child, [parent])
