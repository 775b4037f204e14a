#!/usr/bin/python3
"""Upstream has failed and is a zombie; downstream saw an orderly end-of-file and is about to believe it."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
r, w = os.pipe()
failed = subprocess.Popen(["sh", "-c", "echo half of it; exit 3"], stdout=w)
os.close(w)
sink = subprocess.Popen(["sh", "-c", "cat >/dev/null; sleep 1000"], stdin=r)
os.close(r)
sink.wait()
""")
until(lambda: any(state(p) == "Z" for p in children(parent)) and find("sleep"), "upstream is dead, downstream commits")
zombie = [p for p in children(parent) if state(p) == "Z"][0]
sink = [p for p in children(parent) if state(p) != "Z"][0]
until_asleep(parent, "do_wait")
stands(zombie, [sink, parent], severity="warning")
