#!/usr/bin/python3
"""Somebody has stopped the middle stage."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
middle = start(["cat"], stdin=a[0], stdout=b[1])
sink = start(["cat"], stdin=b[0])
os.kill(middle, signal.SIGSTOP)
until(lambda: state(middle) == "T", "it is stopped")
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands(middle, [source])
