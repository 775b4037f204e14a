#!/usr/bin/python3
"""Our own gate: the decoder has closed its output but lives on, so nobody knows yet whether it succeeds."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

binary = penstock()
r, w = pipe()
os.write(w, b"payload" * 8000)
os.close(w)
run = start([binary, "run", "--stall-after", "0", "sh", "-c", "cat; exec >&-; sleep 1000", "|", "sort"], stdin=r)
until(lambda: find("sleep"), "the decoder has closed its output")
until(lambda: find("sort"), "the command is there")
stage = stat(find("sleep")[0])[1][1]
command = find("sort")[0]
until_asleep(command, *PIPE_READ)
stands(int(stage), [command])
