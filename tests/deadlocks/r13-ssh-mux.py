#!/usr/bin/python3
"""ssh with ControlPersist: the command has ended, its master lives on and holds our stderr, whose
reader waits. (Newer ones let stderr go, but not under -v.)"""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

from sshd import ssh_server
orphans_leave()
r, w = pipe()
ssh = ssh_server("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/mux", "-o", "ControlPersist=600", "-v")
stage = start([*ssh, "true"], stderr=w)
reader = start(["cat"], stdin=r)
reap(stage)
mux = lambda: [p for p in ours() if "[mux]" in read(f"/proc/{p}/cmdline")]
until(mux, "a master stays")
until_asleep(reader, *PIPE_READ)
stands(mux()[0], [reader])
