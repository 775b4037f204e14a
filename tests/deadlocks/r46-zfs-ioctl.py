#!/usr/bin/python3
"""`zfs receive` is in an ioctl (a stand-in, in an ioctl that does not return): the doctor must warn of signals."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
zfs = c_program("halt", "zfs")
receive = start([zfs, "receive", "-u", "tank/home"], stdin=r, env={**os.environ, "HALT": "ioctl"})
source = start(["sleep", 1000], stdout=w)
until(lambda: in_call(receive, 16), "zfs is in ioctl")
stands(receive, [receive], severity="info")
