"""kill -9 between any two system calls: of the processor, and of each sender, at its first call, its second, and so on.

strace delivers the signal on the way into a call, which is then not made: so that is after the call before it, too.
"""
import os, subprocess

from .failure import Failure
from .faults import sender_killed, was_killed
from .place import Place, check_starts
from .processes import describe, end_all, left_behind
from .queue_run import Run
from .variants import SMALL, Variant

# What is killed, through which decoder its payload goes, and how many calls it has at most.
CASES = [("queue-process", Variant("script", SMALL, "hold", "gzip")), ("queue-process", Variant("single", SMALL, None, "plain")),
         ("queue-process", Variant("steps", SMALL, "eof", "zstd")), ("enqueue", None), ("queue-write", None), ("prepare", None)]
MOST_CALLS = 3000
STRIDES = 24  # a case is spread over that many rounds, each of which takes every 24th call


def killed_at(log, when):
    return ["strace", "-qq", "-o", log, "-e", "trace=all", "-e", f"inject=all:signal=KILL:when={when}"]


def processor_killed(bench, name, variant, when):
    """False if there was no such call any more."""
    place = Place(bench, name, variant, jobs=2)
    log = place.path + "/strace"
    run = Run(bench, place, variant, wrapper=killed_at(log, when))
    again = None
    try:
        run.wait()
        hit = was_killed(log)
        # The keeper ends the job, and then itself.
        rest = left_behind(10)
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        if not place.lock_is_free():
            raise Failure("the lock is held by nobody we know")
        next_then, done = place.next(), place.check_commits()
        if not set(range(1, next_then)) <= done:
            raise Failure(f"nextseq is {next_then}, but only {done} are done")
        again = Run(bench, place, variant)
        if again.wait() != 0:
            raise Failure(f"the next run fails: {again.said()!r}")
        check_starts(place.starts(), [next_then] if hit else [])
        place.check_end()
        place.remove()
        return hit
    finally:
        run.close()
        if again:
            again.close()


def part_steps(bench, rounds, seed, worker, report):
    for index in rounds:
        kind, variant = CASES[index // STRIDES]
        for when in range(1 + index % STRIDES, MOST_CALLS, STRIDES):
            what = f"steps: {kind} killed at call {when}; {variant}"
            name = f"steps-{index}-{when}"
            try:
                if variant is not None:
                    hit = processor_killed(bench, name, variant, when)
                else:
                    hit = sender_killed(bench, name, kind, lambda log: killed_at(log, when))
                if not hit:
                    break
                report(what)
            except Failure as failure:
                report(what, str(failure))
                end_all()
            except subprocess.TimeoutExpired:
                report(what, "hangs")
                end_all()
