#!/usr/bin/python3
"""The last stage sends over TCP to a peer that does not read: its window is shut."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

peer = python("""
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind(("127.0.0.1", 0))
s.listen(1)
os.write(1, b"%d\\n" % s.getsockname()[1])
c, _ = s.accept()
signal.pause()
""", stdout=os.open("port", os.O_WRONLY | os.O_CREAT, 0o600), apart=True)
until(lambda: read("port").endswith("\n"), "the peer listens")
r, w = pipe()
source = start(["yes"], stdout=w)
sender = start(["bash", "-c", f"exec cat >/dev/tcp/127.0.0.1/{read('port').strip()}"], stdin=r)
until_asleep(source, *PIPE_WRITE)
until(lambda: comm(sender) == "cat" and sleeps_in(sender, "sk_stream_wait_memory", "wait_woken"), "cat waits for the peer")
row = lambda: [l.split() for l in read("/proc/net/tcp").splitlines() if l.split()[2].endswith(":%04X" % int(read("port")))]
until(lambda: row() and row()[0][5].startswith("04:"), "the kernel probes the shut window")
stands([sender, peer], [source], severity=["stuck", "warning"])
