#!/usr/bin/python3
"""The seed's script as a command: the whole pipeline is inside it, and its receiver waits for a lock."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need("zstd", "gpg", "flock")
env = gpg_home()
os.symlink(penstock(), "fspl")


def shell(script):
    subprocess.run(["bash", "-ec", script], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


shell("""
user=backup@example.invalid
gpg -q --batch --pinentry-mode loopback --passphrase '' --quick-generate-key $user future-default default never
head -c 3000000 /dev/urandom | zstd -q >plain.zst
gpg -q --batch --trust-model always --compress-algo none -r $user -o payload -e plain.zst
echo 1 >seq
./fspl prepare -s seq -i payload >job
touch lock
""")
holder = start(["flock", "-F", "lock", "sleep", 1000], apart=True)
until(lambda: comm(holder) == "sleep", "the lock is taken")
script = "gpg -q -d 2>/dev/null | zstdcat -T0 | flock lock cat >/dev/null"
spooler = start([folder + "/fspl", "stdin-process", "bash", "--", "-c", script],
                stdin=os.open("job", os.O_RDONLY | os.O_CLOEXEC), env=env)
until(lambda: find("flock"), "the receiver is there")
until(lambda: f" {find('flock')[0]} " in read("/proc/locks"), "the receiver waits for the lock")
for stage in ("zstdcat", "gpg"):
    until(lambda: any(sleeps_in(p, *PIPE_WRITE) for p in find(stage)), f"{stage} sleeps on a full pipe")
# The spooler looks around of its own now and then (its stall watch).
stands(holder, [spooler], rule="R40", moving=True)
