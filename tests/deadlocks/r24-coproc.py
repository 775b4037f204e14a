#!/usr/bin/python3
"""bash waits for the end of a coprocess whose input it still holds open."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = start(["bash", "-c", "coproc sort; wait $COPROC_PID"])
until(lambda: find("sort"), "the coprocess is there")
child = find("sort")[0]
until_asleep(child, *PIPE_READ)
until_asleep(parent, "do_wait")
# To R16 a shell is a supervisor too.
stands(parent, [child], rule=["R24", "R16"])
