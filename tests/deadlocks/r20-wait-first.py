#!/usr/bin/python3
"""The parent waits for the child's end before it reads what the child has to say."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
child = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
child.wait()
""")
until(lambda: find("yes"), "the child is there")
child = find("yes")[0]
until_asleep(child, *PIPE_WRITE)
until_asleep(parent, "do_wait")
stands(parent, [child])
