#!/usr/bin/python3
"""Two popen children: the second has inherited the write end of the first, whose end pclose awaits."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

parent = python("""
a = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
os.set_inheritable(a.stdin.fileno(), True)
b = subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=False)
a.stdin.close()
a.wait()
b.stdin.close()
b.wait()
""")
until(lambda: find("cat") and find("sort"), "both are there")
a, b = find("cat")[0], find("sort")[0]
until_asleep(a, *PIPE_READ)
until_asleep(b, *PIPE_READ)
until_asleep(parent, "do_wait")
stands(parent, [a])
