#!/usr/bin/python3
"""The source has nothing to say yet; everybody else waits for it."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

a, b = pipe(), pipe()
source = start(["sleep", 1000], stdout=a[1])
middle = start(["cat"], stdin=a[0], stdout=b[1])
sink = start(["cat"], stdin=b[0])
until_asleep(middle, *PIPE_READ)
until_asleep(sink, *PIPE_READ)
stands(source, [sink], severity="info")
