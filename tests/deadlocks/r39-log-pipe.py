#!/usr/bin/python3
"""A stage's stderr is a pipe to a log driver that does not read."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

from shutil import copy
a, b, e = pipe(), pipe(), pipe()
os.makedirs("bin", exist_ok=True)
copy("/usr/bin/sleep", "bin/dockerd")
driver = start([folder + "/bin/dockerd", 1000], keep=(e[0],), apart=True)
source = start(["yes"], stdout=a[1])
stage = start(["perl", "-pe", "print STDERR q(a line for the log ) x 50"], stdin=a[0], stdout=b[1], stderr=e[1])
sink = start(["cat"], stdin=b[0])
until_asleep(stage, *PIPE_WRITE)
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands(driver, [source], also=[])
