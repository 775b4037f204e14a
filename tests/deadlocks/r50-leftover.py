#!/usr/bin/python3
"""Last night's `zfs receive` still holds the target, and nobody feeds it; tonight's waits (stand-ins, one orphaned)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

orphans_leave()
zfs = c_program("halt", "zfs")
a, b = pipe(), pipe()
env = {**os.environ, "HALT": "d-eof"}
feeder = start(["sleep", 1000], stdout=a[1], apart=True)
ancestor = python("""
old = subprocess.Popen(sys.argv[1:], stdin=0, stdout=subprocess.DEVNULL, start_new_session=True)
os.write(2, b"%d\\n" % old.pid)
os._exit(0)
""", zfs, "receive", "-u", "tank/backup/home", stdin=a[0], stderr=os.open("old", os.O_WRONLY | os.O_CREAT, 0o600), env=env)
reap(ancestor)
old = int(read("old"))
at_end(lambda: kill(old))
source = start(["yes"], stdout=b[1])
new = start([zfs, "receive", "-u", "tank/backup/home"], stdin=b[0], env={**os.environ, "HALT": "d-read"})
until(lambda: state(new) == "D", "the new one waits")
until_asleep(old, *PIPE_READ)
until_asleep(source, *PIPE_WRITE)
stands([old, feeder], [source], severity=["stuck", "warning"], also=["R35", "R49"], culprits_besides=[new, 0])
