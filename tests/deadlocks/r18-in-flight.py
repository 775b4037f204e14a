#!/usr/bin/python3
"""The only write end is in flight, in a message to a socket that nobody reads."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
holder = python("""
import socket, array
a, b = socket.socketpair()
a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))])
os.close(1)
signal.pause()
""", stdout=w, apart=True)
reader = start(["cat"], stdin=r)
until_asleep(holder, "pause")
until_asleep(reader, *PIPE_READ)
stands(0, [reader], hidden=True)
