#!/usr/bin/python3
"""Whoever set the pipeline up has closed neither end of its own, and waits for the stages."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

supervisor = python("""
r, w = os.pipe()
writer = subprocess.Popen(["echo", "all there is"], stdout=w)
reader = subprocess.Popen(["cat"], stdin=r, stdout=subprocess.DEVNULL)
writer.wait()
reader.wait()
""")
until(lambda: find("cat"), "the reader is there")
reader = find("cat")[0]
until_asleep(reader, *PIPE_READ)
until_asleep(supervisor, "do_wait")
stands(supervisor, [reader])
