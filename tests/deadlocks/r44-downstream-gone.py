#!/usr/bin/python3
"""Downstream is gone, but the stage waits for input and will not notice before its next write."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

a, b = pipe(), pipe()
source = start(["sleep", 1000], stdout=a[1])
stage = start(["cat"], stdin=a[0], stdout=b[1])
os.close(b[0])
until_asleep(stage, *PIPE_READ)
stands(stage, [stage])
