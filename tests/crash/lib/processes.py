"""Descendants of ours: who is there, who has ended, and an end to all of them."""
import ctypes, os, select, signal, time

libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper():
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what a round leaves behind comes to us


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def describe(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as words:
            text, line = stat.read(), words.read().replace("\0", " ")[:80]
        calls = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/wchan") as wchan, open(f"/proc/{pid}/task/{task}/syscall") as call:
                calls.append(f"{wchan.read()} {call.read()[:20].strip()}")
        return f"{pid} {line} [{text.rsplit(') ', 1)[1][0]}] {calls}"
    except OSError:
        return str(pid)


def state_of(pid):
    """The letter of proc(5); X if it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0]
    except OSError:
        return "X"


def left_behind(seconds=0):
    """Living descendants of ours, after that time; the dead ones are reaped."""
    end = time.monotonic() + seconds
    while True:
        alive = []
        for pid in children_of(os.getpid()):
            try:
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    alive.append(pid)
            except ChildProcessError:
                pass
        if not alive or time.monotonic() >= end:
            return alive
        time.sleep(0.001)


def wait_dead(pidfds, seconds):
    """Whether all are dead in time."""
    poll = select.poll()
    alive = set(pidfds)
    for fd in alive:
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + seconds
    while True:
        # At least one look: 0 seconds is a question.
        left = max(0, end - time.monotonic())
        for fd, _ in poll.poll(left * 1000):
            alive.discard(fd)
            poll.unregister(fd)
        if not alive or left == 0:
            return not alive


def signal_to(pidfd, number):
    try:
        signal.pidfd_send_signal(pidfd, number)
        return True
    except ProcessLookupError:
        return False


def tree_of(pid):
    found = [pid]
    for parent in found:
        found += children_of(parent)
    return found


def end_all():
    """After a failed round, so that it does not spoil the next one."""
    while left := left_behind():
        for pid in left:
            for one in reversed(tree_of(pid)):
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.01)
