"""kill -9 of the processor, of the keeper, and of both 50 ms apart, at random instants."""
import os, random, signal, time

from .failure import Failure
from .place import Place, check_starts
from .processes import children_of, describe, end_all, left_behind, signal_to, state_of, tree_of, wait_dead
from .queue_run import Run, check_words
from .variants import VARIANTS

KILLS = ("processor", "keeper", "processor, keeper", "keeper, processor")


class Clock:
    """How long a run of a variant takes when nobody disturbs it."""

    def __init__(self, bench):
        self.bench = bench
        self.lengths = {}
        self.survivors = []  # how long each took to end the rest

    def length(self, variant, place_name):
        known = self.lengths.get(variant)
        if known is None:
            place = Place(self.bench, place_name, variant)
            begin = time.monotonic()
            run = Run(self.bench, place, variant)
            try:
                if run.wait() != 0:
                    raise Failure("an undisturbed run fails: " + run.said())
                known = time.monotonic() - begin
                place.check_end()
            finally:
                run.close()
            place.remove()
            self.lengths[variant] = known
        return known


def let_run(seconds):
    """Lets that much time pass in which the machine ran. A virtual machine that is not run for 50 ms sees the clock jump,
    and both our processes would be killed at once, which is the part `both`: a step counts as its length, not as what
    it took."""
    for _ in range(round(seconds * 1000)):
        time.sleep(0.001)


def all_stand_still(run):
    """Whether the survivor has stopped or ended all of the job by now. Where it has not, both are killed at once as far as
    the job can tell."""
    ours = {os.getpid(), run.process.pid, run.keeper_pid}
    return all(state_of(pid) in "TtZX" for pid in tree_of(os.getpid()) if pid not in ours)


def kill_round(bench, clock, name, kind, variant, chance):
    """One round. False if the run was over before the kill came."""
    length = clock.length(variant, name + "-measure")
    place = Place(bench, name, variant)
    run = Run(bench, place, variant)
    again = None
    try:
        needs_keeper = "keeper" in kind
        if needs_keeper:
            run.find_keeper()
            if run.keeper is None and not bench.ours:
                raise Failure("there is no keeper")
        at = run.began + chance.uniform(0, length)
        if wait_dead([run.pidfd], max(0, at - time.monotonic())) or (needs_keeper and run.keeper is None):
            run.wait()
            place.remove()
            return False
        if run.keeper is None:
            for pid in children_of(run.process.pid):
                try:
                    run.keeper, run.keeper_pid = os.pidfd_open(pid), pid
                except ProcessLookupError:
                    pass  # it went just now: the run is about to end
        victims = [run.keeper if one == "keeper" else run.pidfd for one in kind.split(", ")]
        hit = signal_to(victims[0], signal.SIGKILL)
        if len(victims) == 2:
            let_run(0.05)
            run.survivor_was_late = not all_stand_still(run)
            signal_to(victims[1], signal.SIGKILL)
        at_once = chance.random() < 0.5
        if at_once:
            # The next run is there before the survivor has ended its work.
            again = Run(bench, place, variant, ["--lock-wait", "10"])
        killed = time.monotonic()
        run.survivors_end()
        if len(victims) == 1:
            clock.survivors.append(time.monotonic() - killed)
        if kind == "keeper":
            check_words(run, run.process.returncode)
        if again is None:
            # A survivor has ended them all. With both dead in the midst of it, they are being killed.
            rest = left_behind(0 if len(victims) == 1 else 5)
            if rest:
                raise Failure("left running: " + "; ".join(map(describe, rest)))
            if not place.lock_is_free():
                raise Failure("the lock is held by nobody we know")
            next_then = place.next()
            done = place.check_commits()
            if not set(range(1, next_then)) <= done:
                raise Failure(f"nextseq is {next_then}, but only {done} are done")
            in_flight = [next_then]
            again = Run(bench, place, variant)
        else:
            in_flight = sorted({number for number, attempt in place.starts()})[-1:]
        status = again.wait()
        if status != 0:
            raise Failure(f"the next run ends with {status}: {again.said()!r}")
        starts = place.starts()
        if not in_flight or at_once:
            in_flight = [number for number, attempt in starts if attempt > 1] or in_flight
            if len(set(in_flight)) > 1:
                raise Failure(f"attempt: more than one job ran again in {starts}")
        if bench.ours:
            check_starts(starts, in_flight[:1])
        place.check_end()
        place.remove()
        return hit
    except Failure as failure:
        raise Failure(f"{failure} (it said {run.said()!r}" + (f", then {again.said()!r}" if again else "") + ")",
                      run.survivor_was_late) from None
    finally:
        run.close()
        if again:
            again.close()


def part_kill(bench, rounds, seed, worker, report):
    clock = Clock(bench)
    for index in rounds:
        chance = random.Random(seed * 1_000_003 + index)
        kind = KILLS[index % len(KILLS)]
        variant = VARIANTS[index // len(KILLS) % len(VARIANTS)]
        what = f"kill {index}: {kind}; {variant}"
        for attempt in range(20):
            name = f"kill-{index}-{attempt}"
            try:
                if kill_round(bench, clock, name, kind, variant, chance):
                    report(what, kind=kind)
                    break
            except Failure as failure:
                # The survivor was killed while it ended the job: what it had stopped by then stays stopped, and can
                # commit nothing. That is no failure, unless it is frequent. Nor is what follows when the machine has
                # not let it stop anybody in these 50 ms.
                rest = left_behind()
                stopped = ("," in kind and rest and all("[T]" in describe(pid) for pid in rest)
                           and str(failure).startswith(("left running", "overlap")))
                late = "," in kind and failure.survivor_was_late
                report(what, None if stopped or late else str(failure), kind=kind, stopped=bool(stopped),
                       late=str(failure) if late else None)
                end_all()
                break
        else:
            report(what, "20 runs were over before the kill came", kind=kind)
    report("kill: survivors", survivors=clock.survivors)
