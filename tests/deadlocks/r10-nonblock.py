#!/usr/bin/python3
"""A helper's event loop has made the shared output of cat non-blocking: it will lose bytes once the reader is slow."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r0, w0 = pipe()
r, w = pipe()
source = start(["sleep", 1000], stdout=w0)
stage = start(["cat"], stdin=r0, stdout=w, close=False)
os.close(r0)
helper = python("""
import select
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
e = select.epoll()
e.register(1, select.EPOLLERR)
while True:
    e.poll()
""", stdout=w)
reader = start(["cat"], stdin=r)
until_asleep(stage, *PIPE_READ)
until_asleep(helper, "ep_poll", "do_epoll_wait")
until_asleep(reader, *PIPE_READ)
stands([stage, helper], [stage], severity="warning")
