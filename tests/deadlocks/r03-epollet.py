#!/usr/bin/python3
"""A consumer asks for edges, takes ten bytes at one, and waits for the next, which cannot come: the writer is blocked."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
reader = python("""
import select
e = select.epoll()
e.register(0, select.EPOLLIN | select.EPOLLET)
e.poll()
os.read(0, 10)
while True:
    e.poll()
""", stdin=r)
writer = start(["yes"], stdout=w)
until_asleep(writer, *PIPE_WRITE)
until_asleep(reader, "ep_poll", "do_epoll_wait")
stands(reader, [writer])
