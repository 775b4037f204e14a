#!/usr/bin/python3
"""A stage has ended and nobody reaps it. It holds nothing: the rest of the pipeline is well."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
r, w = os.pipe()
done = subprocess.Popen(["true"], stdout=w)
source = subprocess.Popen(["sleep", "1000"], stdout=w)
os.close(w)
sink = subprocess.Popen(["cat"], stdin=r, stdout=subprocess.DEVNULL)
os.close(r)
signal.pause()
""")
until(lambda: any(state(p) == "Z" for p in children(parent)), "there is a zombie")
zombie = [p for p in children(parent) if state(p) == "Z"][0]
until(lambda: find("cat"), "the sink is there")
sink = find("cat")[0]
until_asleep(sink, *PIPE_READ)
stands(parent, [sink, parent], severity="warning")
