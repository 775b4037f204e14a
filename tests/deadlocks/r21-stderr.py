#!/usr/bin/python3
"""The parent reads the child's stdout to the end; the child has filled stderr."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
child = subprocess.Popen(["perl", "-e", "print STDERR q(x) x 1000 while 1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
child.stdout.read()
""")
until(lambda: find("perl"), "the child is there")
child = find("perl")[0]
until_asleep(child, *PIPE_WRITE)
until_asleep(parent, *PIPE_READ)
stands(parent, [parent])
