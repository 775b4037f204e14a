"""Each system call that a queue stands on fails once, the first time, the second time, and so on."""
import os, subprocess

from . import sealing
from .failure import Failure
from .place import Place, check_starts
from .processes import describe, end_all, left_behind
from .queue_run import PATIENCE, Run, check_words
from .variants import SMALL, Variant

# What stands in strace's -e inject=. The paths, if any, restrict it to calls about them.
FAULTS = [(call, error) for call, errors in (
    ("fdatasync", "EIO ENOSPC"), ("pwrite64", "EIO ENOSPC EINTR"), ("ftruncate", "EIO EINTR"), ("unlinkat", "EIO"),
    ("flock", "EINTR ENOLCK"), ("epoll_wait", "EINTR"), ("epoll_ctl", "ENOSPC"), ("poll", "EINTR"), ("sendmsg", "EINTR ENOBUFS"),
    ("recvmsg", "EINTR"), ("vfork", "EAGAIN"), ("pipe2", "EMFILE"), ("pidfd_open", "EMFILE"),
    ("memfd_create", "ENFILE"), ("splice", "EINTR EIO"), ("waitid", "EINTR"), ("socketpair", "ENFILE"),
    ("timerfd_create", "EMFILE"), ("getdents64", "EIO"), ("fsync", "EIO"), ("prctl", "EPERM"),
    ("clone3", "EAGAIN"), ("eventfd2", "EMFILE"), ("signalfd4", "EMFILE"), ("setsid", "EPERM"))
    for error in errors.split()]
PATH_FAULTS = [("openat2", ".", "EIO"), ("openat2", ".", "EACCES"), ("openat2", "jobs", "EIO"),
               ("read", "nextseq", "EIO"), ("pread64", "nextseq", "EIO"), ("openat", "jobs", "EIO"),
               ("newfstatat", "nextseq", "EIO"), ("unlinkat", "jobs", "EROFS"), ("fsync", "jobs", "EIO")]
SENDER_FAULTS = [(call, error) for call, errors in (
    ("write", "ENOSPC EINTR"), ("fsync", "EIO"), ("fdatasync", "EIO ENOSPC"), ("linkat", "ENOSPC"),
    ("renameat", "ENOSPC"), ("renameat2", "ENOSPC"), ("unlinkat", "EIO"), ("pwrite64", "EIO ENOSPC"), ("ftruncate", "EIO"),
    ("flock", "EINTR ENOLCK"),
    ("getrandom", "EINTR"), ("copy_file_range", "EIO EINVAL"), ("splice", "EIO EINVAL"), ("sendfile", "EIO EINVAL"),
    ("close", "EIO"), ("openat", "EIO ENOSPC EINTR EMFILE"), ("read", "EIO EINTR"), ("pread64", "EIO EINTR"),
    ("write", "EIO"), ("fsync", "ENOSPC"), ("newfstatat", "EIO"), ("fcntl", "EMFILE"), ("lseek", "EIO"),
    ("fstatfs", "EIO"), ("statx", "EIO"), ("mkdirat", "EIO"), ("memfd_create", "EMFILE")) for error in errors.split()]
SENDERS = ("queue-write", "enqueue", "prepare", "enqueue --seal", "prepare --seal")
# Fail from then on for ever, in both processes.
LASTING_FAULTS = [("sendmsg", "ENOBUFS", when) for when in (4, 6, 9)]
MOST_TIMES = 12  # a call that comes more often than that is failed at these places only


def strace(log, inject, path=None):
    call = inject.split(":")[0]
    words = ["strace", "-f", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={inject}"]
    return words + (["-P", path] if path else [])


def was_injected(log):
    with open(log) as file:
        return "(INJECTED)" in file.read()


def process_fault(bench, name, inject, below, variant):
    """False if the call did not come that often."""
    place = Place(bench, name, variant, jobs=2)
    log = place.path + "/strace"
    path = f"{place.queue}/{below}" if below else None
    run = Run(bench, place, variant, wrapper=strace(log, inject, path))
    try:
        status = run.wait()
        injected = was_injected(log)
        rest = left_behind()
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        check_words(run, status)
        # Nothing is lost: what is not in the queue any more is done.
        next_then, done = place.next(), place.check_commits()
        there = len(os.listdir(place.queue + "/jobs"))
        if not set(range(1, next_then)) <= done or there < place.jobs - next_then + 1:
            raise Failure(f"nextseq {next_then}, done {done}, {there} files left")
        if status == 0 and next_then != place.jobs + 1:
            raise Failure(f"status 0, but nextseq is {next_then}: {run.said()!r}")
        first_said = run.said()
        run.close()
        run = Run(bench, place, variant)
        if run.wait() != 0:
            raise Failure(f"the next run fails: {run.said()!r} after {first_said!r}")
        # A file whose removal failed is removed, or named as old, by the next run.
        place.check_end()
        check_starts(place.starts(), [next_then])
        place.remove()
        return injected
    except Failure as failure:
        raise Failure(f"{failure} (it said {run.said()!r})") from None
    finally:
        run.close()


def was_killed(log):
    with open(log) as file:
        return "+++ killed by SIGKILL" in file.read()


class Sender:
    """A queue, a sender's number, and one queue-write, enqueue or prepare to be disturbed."""

    def __init__(self, bench, name, kind):
        self.bench, self.kind = bench, kind
        self.variant = Variant("single", SMALL, None, "plain")
        self.place = Place(bench, name, self.variant, jobs=0)
        self.log, self.seq = self.place.path + "/strace", self.place.path + "/seq"
        with open(self.seq, "w") as file:
            file.write("1\n")
        self.payload = subprocess.run([bench.crash_job, "generate", "1", str(SMALL)], capture_output=True).stdout
        with open(bench.packet(self.variant, 1), "rb") as file:
            self.packet = file.read()

    def run(self, wrapper=()):
        queue, data = self.place.queue, self.payload
        if self.kind == "queue-write":
            words, data = ["queue-write", "-q", queue], self.packet
        else:
            words = self.kind.split() + ["-s", self.seq, "-i", "-"]
            words += ["-q", queue] if self.kind.startswith("enqueue") else []
        return subprocess.run([*wrapper, self.bench.penstock, *words], input=data, capture_output=True, timeout=PATIENCE,
                              env=dict(os.environ, TMPDIR=self.place.tmp))

    def check_number(self):
        with open(self.seq) as file:
            number = file.read()
        if number not in ("1\n", "2\n"):
            raise Failure(f"the sender's number is {number!r}")

    def packets(self):
        found = []
        for file in os.listdir(self.place.queue + "/jobs"):
            if file.endswith(".fspl"):
                with open(f"{self.place.queue}/jobs/{file}", "rb") as opened:
                    found.append(opened.read())
        for content in found:
            if not content.endswith(self.payload) or len(content) > len(self.packet) + 200:
                raise Failure(f"a packet of {len(content)} bytes in the queue is not whole")
        return found

    def litter(self):
        return [file for file in os.listdir(self.place.queue + "/jobs") if not file.endswith(".fspl")]

    def check_next_enqueue(self, said):
        """Nothing lost, nothing twice: another one, and the queue has all numbers that were used."""
        second = self.run()
        if second.returncode != 0:
            raise Failure(f"the next enqueue fails: {second.stderr!r} after {said!r}")
        with open(self.seq) as file:
            after = int(file.read())
        listing = subprocess.run([self.bench.penstock, "queue-ls", "-q", self.place.queue], capture_output=True,
                                 text=True).stdout
        numbers = sorted(int(line.split()[0]) for line in listing.splitlines()[1:])
        if numbers != list(range(1, after)):
            raise Failure(f"numbers {numbers} in the queue, the sender is at {after}; it said {said!r}")


def sender_fault(bench, name, inject, kind):
    """queue-write, enqueue or prepare with one failing call: the job is absent or whole, the number is used once."""
    sender = Sender(bench, name, kind)
    result = sender.run(strace(sender.log, inject))
    injected = was_injected(sender.log)
    said = result.stderr.decode(errors="replace")
    ours = [line for line in said.splitlines() if line.startswith("penstock")]
    if "error while loading shared libraries" in said:
        sender.place.remove()
        return injected  # it was not our call that failed
    if result.returncode not in (0, 1) or (result.returncode == 1 and len(ours) != 1):
        raise Failure(f"exit status {result.returncode}: {said!r}")
    sender.check_number()
    packets = sender.packets()
    if kind.startswith("prepare"):
        packets = [result.stdout] if result.stdout else []
    if result.returncode == 0 and len(packets) != 1:
        raise Failure(f"status 0, and {len(packets)} packets")
    if sender.litter() and "unlink" not in inject:
        raise Failure(f"left in jobs: {sender.litter()}; it said {said!r}")
    if kind.startswith("enqueue"):
        sender.check_next_enqueue(said)
    sender.place.remove()
    return injected


def sender_killed(bench, name, kind, wrapper):
    """The same, killed: `wrapper` of a log's name is what kills it. False if it was over before that."""
    sender = Sender(bench, name, kind)
    sender.run(wrapper(sender.log))
    killed = was_killed(sender.log)
    sender.check_number()
    packets = sender.packets()
    if len(packets) > 1 or (not killed and kind != "prepare" and not packets):
        raise Failure(f"{'killed' if killed else 'it ended well'}, and there are {len(packets)} packets")
    beside = set(os.listdir(sender.place.path)) - {"queue", "commits", "tmp", "seq", "seq.lock", "strace"}
    litter = sender.litter() + sorted(beside) + os.listdir(sender.place.tmp)
    if litter:
        raise Failure(f"left: {litter}")
    if kind == "enqueue":
        sender.check_next_enqueue("")
    elif (again := sender.run()).returncode != 0:
        raise Failure(f"the next one fails: {again.stderr!r}")
    sender.place.remove()
    return killed


def fault_cases(ours):
    cases = [("queue-process", f"{call}:error={error}:when={when}+", None) for call, error, when in LASTING_FAULTS]
    cases += [("queue-process", f"{call}:error={error}", None) for call, error in FAULTS]
    cases += [("queue-process", f"{call}:error={error}", below) for call, below, error in PATH_FAULTS]
    cases += [(kind, f"{call}:error={error}", None) for kind in SENDERS + sealing.KINDS for call, error in SENDER_FAULTS]
    return cases


def disturb(bench, name, inject, kind, below, variant):
    """False if the call did not come that often."""
    if kind == "queue-process":
        return process_fault(bench, name, inject, below, variant)
    if kind not in sealing.KINDS:
        return sender_fault(bench, name, inject, kind)
    log = f"{bench.path}/{name}.log"
    sealing.sealing_fault(bench, name, strace(log, inject), inject, kind)
    return was_injected(log)


def part_faults(bench, rounds, seed, worker, report):
    cases = fault_cases(bench.ours)
    variant = Variant("script", SMALL, "hold", "gzip")
    for index in rounds:
        kind, inject, below = cases[index]
        times = 0
        lasts = inject.endswith("+")
        for when in range(1, 2 if lasts else MOST_TIMES + 1):
            one = inject if lasts else f"{inject}:when={when}"
            what = f"faults {index}: {kind}, {one}" + (f" at {below}" if below else "")
            try:
                name = f"faults-{index}-{when}"
                injected = disturb(bench, name, one, kind, below, variant)
                if not injected:
                    break
                times += 1
                report(what)
            except Failure as failure:
                report(what, str(failure))
                end_all()
                times += 1
            except subprocess.TimeoutExpired:
                report(what, "hangs")
                end_all()
                break
