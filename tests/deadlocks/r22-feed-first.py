#!/usr/bin/python3
"""The parent feeds all of the input before it reads any output; the child's output is full."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
child.stdin.write(bytes(10000000))
child.stdin.close()
child.stdout.read()
""")
until(lambda: find("cat"), "the child is there")
child = find("cat")[0]
until_asleep(child, *PIPE_WRITE)
until_asleep(parent, *PIPE_WRITE)
stands(parent, [child])
