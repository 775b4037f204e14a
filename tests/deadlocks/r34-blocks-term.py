#!/usr/bin/python3
"""A stage was told to end, but blocks the signal. Its writer sleeps on a full pipe."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
deaf = python("""
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.write(2, b"x")
time.sleep(1000)
""", stdin=r, stderr=os.open("ready", os.O_WRONLY | os.O_CREAT, 0o600))
writer = start(["yes"], stdout=w)
until(lambda: read("ready"), "the stage blocks TERM")
os.kill(deaf, signal.SIGTERM)
until_asleep(writer, *PIPE_WRITE)
until_asleep(deaf, "nanosleep")
stands(deaf, [writer])
