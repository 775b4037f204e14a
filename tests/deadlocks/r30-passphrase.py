#!/usr/bin/python3
"""gpg asks for a passphrase on its terminal, in the middle of a pipeline."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

env = gpg_home()
sealed = subprocess.run(["gpg", "-q", "--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "-c"],
                        input=b"secret", stdout=subprocess.PIPE, env=env, check=True).stdout
with open("sealed.gpg", "wb") as f:
    f.write(sealed)
master, slave = os.openpty()
r, w = pipe()
# A session of its own, with the terminal as the controlling one: setsid -c.
gpg = start(["setsid", "-c", "gpg", "-q", "--pinentry-mode", "loopback", "-d", "sealed.gpg"],
            stdin=slave, stdout=w, env=env)
reader = start(["sort"], stdin=r)
until(lambda: find("gpg"), "gpg is there")
asks = find("gpg")[0]
until(lambda: sleeps_in(asks, "wait_woken", "n_tty_read"), "gpg reads the terminal")
until_asleep(reader, *PIPE_READ)
stands(asks, [reader])
