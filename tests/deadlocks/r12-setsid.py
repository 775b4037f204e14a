#!/usr/bin/python3
"""The same with a helper that opened a session of its own."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

orphans_leave()
r, w = pipe()
stage = start(["sh", "-c", "setsid sleep 1000 & echo done"], stdout=w)
reader = start(["sort"], stdin=r)
reap(stage)
until(lambda: find("sleep"), "the helper is there")
helper = find("sleep")[0]
until_asleep(reader, *PIPE_READ)
stands(helper, [reader])
