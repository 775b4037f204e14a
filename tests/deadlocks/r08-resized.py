#!/usr/bin/python3
"""The reader has grown its pipe to the maximum, as old receivers of ZFS do. Nothing hangs."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
biggest = int(read("/proc/sys/fs/pipe-max-size"))
source = start(["sleep", 1000], stdout=w)
reader = start(["bash", "-c", "exec -a 'zfs receive' python3 -c '\
import fcntl, os\nfcntl.fcntl(0, 1031, %d)\nopen(\"/proc/self/comm\", \"w\").write(\"zfs\")\nos.read(0, 1)'" % biggest],
               stdin=r)
until(lambda: comm(reader) == "zfs", "the reader is called zfs")
until_asleep(reader, *PIPE_READ)
stands(reader, [reader], severity="info")
