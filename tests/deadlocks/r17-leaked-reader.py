#!/usr/bin/python3
"""The consumer is dead, but a daemon holds the read end: the writer gets no SIGPIPE and sleeps on the full pipe."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
daemon = start(["sleep", 1000], keep=(r,), close=False, apart=True)
writer = start(["yes"], stdout=w)
consumer = start(["head", "-c", 10], stdin=r)
reap(consumer)
until_asleep(writer, *PIPE_WRITE)
stands(daemon, [writer])
