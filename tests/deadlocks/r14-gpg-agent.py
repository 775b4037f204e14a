#!/usr/bin/python3
"""A stage starts gpg's agent, and the agent keeps the stage's stderr, which is piped too."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

orphans_leave()
env = gpg_home()
r, w = pipe()
stage = start(["sh", "-c", "gpg-agent --daemon 2>&1; echo decrypted"], stdout=w, env=env)
reader = start(["cat"], stdin=r)
reap(stage)
# It hides itself (prctl PR_SET_DUMPABLE), so it is asked.
told = subprocess.run(["gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye"], env=env,
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
agent = int(told.stdout.split()[1])
until_asleep(reader, *PIPE_READ)
stands(agent, [reader])
