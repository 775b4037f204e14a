#!/usr/bin/python3
"""A stage logs to a socket that nobody drains any more; its pipe is idle meanwhile."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

import socket
ours, theirs = socket.socketpair()
daemon = start(["sleep", 1000], keep=(ours.fileno(),), close=False, apart=True)
a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
stage = start(["perl", "-pe", "print STDERR q(a line for the log ) x 50"], stdin=a[0], stdout=b[1],
              stderr=theirs.fileno(), close=False)
ours.close()
theirs.close()
os.close(a[0])
os.close(b[1])
sink = start(["cat"], stdin=b[0])
until_asleep(stage, "sock_alloc_send_pskb", "unix_wait_for_peer")
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands([stage, daemon], [source])
