#!/usr/bin/python3
"""gpg waits for its agent, the agent for pinentry, and pinentry for somebody to type."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need("pinentry-curses")
env = gpg_home()
sealed = subprocess.run(["gpg", "-q", "--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "-c"],
                        input=b"secret", stdout=subprocess.PIPE, env=env, check=True).stdout
with open("sealed.gpg", "wb") as f:
    f.write(sealed)
with open(env["GNUPGHOME"] + "/gpg-agent.conf", "w") as f:
    f.write("pinentry-program /usr/bin/pinentry-curses\nno-allow-external-cache\n")
subprocess.run(["gpgconf", "--kill", "all"], env=env)
master, slave = os.openpty()
env = {**env, "GPG_TTY": os.ttyname(slave), "TERM": "xterm"}
r, w = pipe()
gpg = start(["setsid", "-c", "gpg", "-q", "-d", "sealed.gpg"], stdin=slave, stdout=w, env=env)
reader = start(["sort"], stdin=r)
until(lambda: find("gpg") and find("pinentry-curses"), "gpg and pinentry are there")
asks = find("pinentry-curses")[0]
until(lambda: sleeps_in(asks, "poll", "select", "wait_woken"), "pinentry waits")
until_asleep(find("gpg")[0], "unix_stream")
until_asleep(reader, *PIPE_READ)
stands(asks, [reader])
