#!/usr/bin/python3
"""A debugger holds the middle stage."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
middle = start(["cat"], stdin=a[0], stdout=b[1])
sink = start(["cat"], stdin=b[0])
tracer = python("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
if libc.ptrace(16, pid, 0, 0) != 0:  # PTRACE_ATTACH
    sys.exit(ctypes.get_errno())
os.waitpid(pid, 0x40000000)  # __WALL
signal.pause()
""", middle, apart=True)
until(lambda: state(middle) == "t" or state(tracer) in "Z", "it is traced and stopped")
if state(tracer) == "Z":
    skip("no right to trace")
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands(tracer, [source])
