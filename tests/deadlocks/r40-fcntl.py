#!/usr/bin/python3
"""The same with a POSIX lock."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

open("lock", "w").close()
script = """
import fcntl
f = open("lock", "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
os.write(2, b"x")
while sys.stdin.buffer.read(1) if sys.argv[1] == "reads" else not signal.pause():
    pass
"""
holder = python(script, "waits", stderr=os.open("ready", os.O_WRONLY | os.O_CREAT, 0o600), apart=True)
until(lambda: read("ready"), "the lock is taken")
r, w = pipe()
writer = start(["yes"], stdout=w)
waiter = python(script, "reads", stdin=r)
until(lambda: f"-> POSIX  ADVISORY  WRITE {waiter} " in read("/proc/locks"), "/proc/locks tells of the waiter")
until_asleep(writer, *PIPE_WRITE)
stands(holder, [writer])
