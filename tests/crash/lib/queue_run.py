"""One queue-process as a round starts, watches, and judges it."""
import os, signal, subprocess, tempfile, time

from .bench import SUPPORT
from .failure import Failure
from .processes import children_of, describe, left_behind, signal_to, tree_of, wait_dead
from .variants import DECODERS

PAUSE = 1000        # microseconds, after each 64 KiB that a command reads
PATIENCE = 30       # seconds until a run counts as hung


class Run:
    """One queue-process, its keeper, and what it said."""

    def __init__(self, bench, place, variant, options=(), wrapper=(), pause=PAUSE):
        self.err = tempfile.TemporaryFile(dir=place.path)
        argv = [*wrapper, bench.penstock, "queue-process", "-q", place.queue]
        decoder = DECODERS[variant.decoder]
        if decoder:
            argv += ["-d", decoder.replace("CRASH_JOB", bench.crash_job)]
        if bench.ours and variant.gate:
            argv += ["--gate", variant.gate]
        if bench.ours:
            argv += options
        if variant.command == "single":
            argv += [bench.crash_job, "--", "commit", place.commits, str(pause)]
        else:
            argv += [f"{SUPPORT}/commit_by_{variant.command}", "--", bench.crash_job, place.commits, str(pause)]
        environment = dict(os.environ, TMPDIR=place.tmp, SHELL="/bin/bash")
        self.began = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.err, stderr=self.err,
                                        start_new_session=True, env=environment)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.keeper = None  # a pidfd
        self.keeper_pid = None
        self.survivor_was_late = False

    def find_keeper(self):
        """The processor has one child. Nothing if it never comes to have one."""
        while self.keeper is None and not wait_dead([self.pidfd], 0):
            for pid in children_of(self.process.pid):
                try:
                    self.keeper, self.keeper_pid = os.pidfd_open(pid), pid
                    break
                except ProcessLookupError:
                    pass
            else:
                time.sleep(0.0003)
        return self.keeper

    def wait(self, seconds=PATIENCE):
        if not wait_dead([self.pidfd], seconds):
            raise Failure("hangs: " + "; ".join(map(describe, tree_of(self.process.pid))))
        return self.process.wait()

    def survivors_end(self, seconds=PATIENCE):
        fds = [self.pidfd] + ([self.keeper] if self.keeper is not None else [])
        if not wait_dead(fds, seconds):
            raise Failure("the survivor does not end: " + "; ".join(map(describe, left_behind())))
        self.process.wait()

    def said(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def close(self):
        """Ends what may still be there; for rounds that have failed already."""
        for fd in (self.pidfd, self.keeper):
            if fd is not None:
                signal_to(fd, signal.SIGKILL)
                os.close(fd)
        self.process.wait()
        self.err.close()


def check_words(run, status):
    """Status 0 or 1, and at status 1 one sentence of ours."""
    # A busy machine, or strace, may take its time to let somebody die, and that is said first.
    ours = [line for line in run.said().splitlines()
            if line.startswith("penstock queue-process: ") and " was killed but does not die; " not in line]
    if status not in (0, 1):
        raise Failure(f"exit status {status}; it said {ours}")
    if status == 1 and len(ours) != 1:
        raise Failure(f"exit status 1 with {len(ours)} sentences: {run.said()!r}")


def start_streaming(bench, place, variant, chance):
    """A run whose first job has begun, and is in the middle of its payload."""
    run = Run(bench, place, variant)
    while not place.starts():
        if wait_dead([run.pidfd], 0.001):
            raise Failure("the run is over: " + run.said())
    time.sleep(chance.uniform(0.002, 0.015))
    return run
