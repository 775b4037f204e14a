#!/usr/bin/python3
"""The remote command has ended, but something it left in the background over there holds its output: ssh waits."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

from sshd import ssh_server
r, w = pipe()
ssh = ssh_server("-o", "ControlPath=none")
stage = start([*ssh, "echo begun; sleep 1000 & echo over"], stdout=w)
reader = start(["cat"], stdin=r, stdout=os.open("out", os.O_WRONLY | os.O_CREAT, 0o600))
until(lambda: "over" in read("out"), "the remote command is over")
until_asleep(reader, *PIPE_READ)
until_asleep(stage, "poll", "select")
# Before it has been idle for half a minute there is nothing to say about it.
until_rested(stage, 31, limit=60)
stands(stage, [reader], severity="info")
