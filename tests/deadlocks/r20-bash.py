#!/usr/bin/python3
"""The same in bash: it waits for a process substitution whose output it has not read."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

script = """
exec 3< <(yes)
wait $!
"""
parent = start(["bash", "-c", script])
until(lambda: find("yes"), "the child is there")
child = find("yes")[0]
until_asleep(child, *PIPE_WRITE)
until_asleep(parent, "do_wait")
stands(parent, [child])
