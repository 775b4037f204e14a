"""TERM, INT and HUP to the processor while a job streams."""
import random, signal

from .failure import Failure, TooLate
from .place import Place
from .processes import describe, end_all, left_behind, signal_to
from .queue_run import Run, start_streaming
from .variants import LARGE, VARIANTS


def signal_round(bench, name, number, variant, chance):
    place = Place(bench, name, variant)
    run = start_streaming(bench, place, variant, chance)
    try:
        if place.check_commits():
            raise TooLate("a job is done already")
        run.find_keeper()
        signal_to(run.pidfd, number)
        status = run.wait()
        if not place.lock_is_free():
            raise Failure("the lock is held after the end")
        if status != -number:
            raise Failure(f"it ends with {status}: {run.said()!r}")
        rest = left_behind()
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        if place.check_commits() or place.next() != 1:
            raise Failure("a job was committed")
        run.close()
        run = Run(bench, place, variant)
        if run.wait() != 0:
            raise Failure("the next run fails: " + run.said())
        if place.starts() != [(1, 1), (1, 2), (2, 1), (3, 1)]:
            raise Failure(f"attempts: {place.starts()}")
        place.check_end()
        place.remove()
    finally:
        run.close()


def part_signals(bench, rounds, seed, worker, report):
    kinds = [(number, variant) for variant in VARIANTS if variant.size == LARGE
             for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    for index in rounds:
        number, variant = kinds[index % len(kinds)]
        what = f"signals {index}: {number.name}; {variant}"
        for attempt in range(5):
            try:
                signal_round(bench, f"signals-{index}-{attempt}", number, variant,
                             random.Random(seed * 1_000_003 + index + attempt))
                report(what)
                break
            except TooLate:
                end_all()
            except Failure as failure:
                report(what, str(failure))
                end_all()
                break
        else:
            report(what, "a job was done each time before the signal came")
