#!/usr/bin/python3
"""A file system in user space whose server answers no more: whoever reads a file of it sleeps in the kernel."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need_root()
import struct
try:
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
except OSError as problem:
    skip(f"/dev/fuse: {problem}")
os.makedirs("mnt")
mount_point = os.path.abspath("mnt")
if libc.unshare(0x00020000) != 0 or libc.mount(None, b"/", None, 0x44000, None) != 0:  # a mount namespace; MS_REC|MS_PRIVATE
    skip("no right to make a mount namespace")
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"silent", mount_point.encode(), b"fuse.silent", 0, options) != 0:
    skip("no right to mount")
r, w = pipe()
stage = start(["cat", mount_point + "/file"], stdout=w)
sink = start(["sort"], stdin=r)


def end():
    os.close(device)  # whoever waits gets an error
    libc.umount2(mount_point.encode(), 2)


at_end(end)
# Greet as a server does, and then say nothing more.
request = os.read(device, 1 << 17)
length, opcode, unique = struct.unpack_from("<IIQ", request)
assert opcode == 26
major, minor, readahead, flags = struct.unpack_from("<IIII", request, 40)
reply = struct.pack("<IIIIHHIIHH", 7, 31, readahead, 0, 12, 9, 4096, 1, 1, 0) + bytes(28)
os.write(device, struct.pack("<IiQ", 16 + len(reply), 0, unique) + reply)
until_asleep(stage, "request_wait_answer", "fuse_")
until_asleep(sink, *PIPE_READ)
until_rested(stage, 1.2)
stands(stage, [sink])
