#!/usr/bin/python3
"""A stage reports to a terminal that somebody has stopped (Ctrl-S)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

master, slave = os.openpty()
a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
stage = start(["perl", "-pe", "print STDERR q(a line for the user ) x 50"], stdin=a[0], stdout=b[1], stderr=slave)
sink = start(["cat"], stdin=b[0])
until_asleep(stage, "wait_woken", "n_tty_write")
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands(stage, [source])
