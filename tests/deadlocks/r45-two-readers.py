#!/usr/bin/python3
"""A helper has inherited the payload as its stdin and eats half of it."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
source = start(["bash", "-c", "while :; do echo a line; sleep 0.01; done"], stdout=w)
first = start(["cat"], stdin=r, close=False)
second = start(["cat"], stdin=r)
rchar = lambda p: int(read(f"/proc/{p}/io").split()[1])
begin = rchar(first), rchar(second)
until(lambda: rchar(first) > begin[0] + 50 and rchar(second) > begin[1] + 50, "both read")
stands([first, second], [first], severity="warning", moving=True)
