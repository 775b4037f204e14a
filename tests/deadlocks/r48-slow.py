#!/usr/bin/python3
"""Slow, not stuck: pv lets 20 KiB a second through."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need("pv")
a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
slow = start(["pv", "-q", "-L", "20k"], stdin=a[0], stdout=b[1])
sink = start(["cat"], stdin=b[0])
until_asleep(source, *PIPE_WRITE)
stands(slow, [source], severity="info", moving=True)
