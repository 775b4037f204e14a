"""kill -9 between any two system calls: of the processor, and of each sender, at its first call, its second, and so on.

strace delivers the signal on the way into a call, which is then not made: so that is after the call before it, too. It
counts the calls of each name apart. So one run that nobody disturbs is traced first, and shows which of its name each call
is: the third pwrite64, the first unlinkat. How often a run waits differs from run to run, so a few are not met again.
"""
import collections, json, os, re, subprocess

from .failure import Failure
from .faults import Sender, sender_killed, was_killed
from .place import Place, check_starts
from .processes import describe, end_all, left_behind
from .queue_run import Run
from .sweep import Scenario
from .variants import SMALL, Variant
from .waiting import COMMANDS, STATES, Shared

STRIDES = 24  # a case is spread over that many rounds, each of which takes every 24th call
MEMORY = {"mmap", "munmap", "mprotect", "brk"}  # they change nothing that anybody else could see
FAILING = 2   # the job that fails, where one is to fail
PLAIN = Variant("single", SMALL, None, "plain")


class Processor(Scenario):
    """queue-process, killed at a call that it makes after it has begun to open the lock."""
    start = re.compile(r'openat2?\(.*nextseq\.lock"')

    def __init__(self, name, variant, policy=None, interrupted=False, killed_at=None):
        super().__init__(f"queue-process, {name}", variant, ["--on-error", policy] if policy else [],
                         fails=bool(policy), killed_at=killed_at)
        self.policy, self.interrupted = policy, interrupted
        self.jobs = 3 if policy else 2

    def set_up(self, bench, place):
        if not self.interrupted:
            return super().set_up(bench, place)
        # Once it has read 64 KiB, the command sleeps: so that is in the middle of its job.
        run = Run(bench, place, self.variant, pause=10**6)
        try:
            while not place.starts():
                if not left_behind(0.001):
                    raise Failure(f"the run to be killed first is over: {run.said()!r}")
        finally:
            run.close()
        if left_behind(10):
            raise Failure("left running by the run that was killed first")
        return [place.next()]

    def trace(self, bench, name):
        place = Place(bench, name, self.variant, self.jobs)
        self.set_up(bench, place)
        run = Run(bench, place, self.variant, self.options, ["strace", "-qq", "-o", place.path + "/strace"])
        try:
            run.wait()
            left_behind(10)
            return calls_in(place.path + "/strace", self.start)
        finally:
            run.close()
            place.remove()

    def killed(self, bench, name, wrapper):
        """False if there was no such call in this run."""
        place = Place(bench, name, self.variant, self.jobs)
        in_flight = self.set_up(bench, place)
        runs = [Run(bench, place, self.variant, self.options, wrapper(place.path + "/strace"))]
        try:
            runs[0].wait()
            hit = was_killed(place.path + "/strace")
            # The keeper ends the job, and then itself.
            rest = left_behind(10)
            if rest:
                raise Failure("left running: " + "; ".join(map(describe, rest)))
            if not place.lock_is_free():
                raise Failure("the lock is held by nobody we know")
            old = self.check_between(place)
            in_flight.append(place.next())
            runs.append(Run(bench, place, self.variant, self.options))
            if self.policy == "retry":
                self.check_blocked(place, runs[-1])
                in_flight.append(FAILING)
                os.unlink(f"{place.commits}/fail-{FAILING}")
                runs.append(Run(bench, place, self.variant, self.options))
            if runs[-1].wait() != 0:
                raise Failure(f"the next run fails: {runs[-1].said()!r}")
            check_starts(place.starts(), in_flight)
            self.check_end(place, old, runs[-1].said())
            place.remove()
            return hit
        finally:
            for run in runs:
                run.close()

    def check_between(self, place):
        """Right after the kill: what nextseq has passed has had its turn, and the others' files are there.

        Returns the files of jobs that nextseq has passed. It is the last one's at most, and job 2's under Leave.
        """
        number, done = place.next(), place.check_commits()
        failed = {FAILING} if self.fails else set()
        if failed & done or not set(range(1, number)) - failed <= done:
            raise Failure(f"nextseq is {number}, but {done} are done")
        if self.policy == "retry" and number > FAILING:
            raise Failure(f"nextseq is {number}, past the job that fails")
        begun = {job for job, _ in place.starts()}
        if number > FAILING and not failed <= begun:
            raise Failure(f"nextseq is {number}, and job {FAILING} has never begun")
        there = set(os.listdir(place.queue + "/jobs"))
        waiting = {place.file_of(job) for job in range(number, place.jobs + 1)}
        stays = {place.file_of(FAILING)} if self.policy == "leave" else set()
        old = there - waiting
        if not waiting | stays <= there or not old <= stays | {place.file_of(number - 1)}:
            raise Failure(f"nextseq is {number}, and there are {sorted(there)}")
        if self.policy == "quarantine":
            self.check_quarantine(place, must_be_there=number > FAILING)
        return old

    def check_blocked(self, place, run):
        """Under Retry the job that fails stays, and so does what is behind it."""
        status = run.wait()
        files = sorted(place.file_of(job) for job in range(FAILING, place.jobs + 1))
        there = sorted(os.listdir(place.queue + "/jobs"))
        if (status, place.next(), place.check_commits(), there) != (1, FAILING, {1}, files):
            raise Failure(f"not blocked: status {status}, nextseq {place.next()}, {there}: {run.said()!r}")

    def check_quarantine(self, place, must_be_there):
        """The job's file is there once, and never without its report; a report may be there before its job."""
        folder, name = place.queue + "/penstock/quarantine", place.file_of(FAILING)
        there = sorted(os.listdir(folder)) if os.path.exists(folder) else []
        whole = [name, name + ".report"]
        if there != whole and (must_be_there or there not in ([], [name + ".report"])):
            raise Failure(f"in quarantine: {there}")
        if there and not os.path.getsize(f"{folder}/{name}.report"):
            raise Failure("in quarantine: an empty report")

    def check_end(self, place, old, said):
        """Under Leave, nobody may remove what a job left that was done when its run was killed: that is told."""
        if self.policy in (None, "retry"):
            place.check_end()
        elif self.policy == "delete":
            place.check_end([FAILING])
        elif self.policy == "leave":
            stays = old | {place.file_of(FAILING)}
            place.check_end([FAILING], stays)
            if not all(name in said for name in stays):
                raise Failure(f"left without a word: {sorted(stays)}, said {said!r}")
        else:
            self.check_quarantine(place, must_be_there=True)
            index = ["index"] if os.path.exists(place.queue + "/penstock/index") else []
            place.check_end([FAILING], private=["quarantine", *index])


class SenderOf:
    """enqueue, queue-write or prepare, killed at a call that it makes after it has begun to open a file of its own."""

    def __init__(self, kind):
        self.name = kind

    def trace(self, bench, name):
        sender = Sender(bench, name, self.name)
        sender.run(["strace", "-qq", "-o", sender.log])
        points = calls_in(sender.log, re.compile(r'openat2?\([^"]*"' + re.escape(sender.place.path)))
        sender.place.remove()
        return points

    def killed(self, bench, name, wrapper):
        return sender_killed(bench, name, self.name, wrapper)


class Reader:
    """queue-ls or queue-process over jobs behind a gap, killed at a call that it makes after it has opened the queue."""

    def __init__(self, command, state):
        self.name, self.command, self.state = f"{command} behind a gap, index {state}", command, state

    def trace(self, bench, name):
        log, queue = f"{bench.path}/{name}.log", Shared.of_worker(bench).get()
        answer = queue.disturb(self.state, self.command, ["strace", "-qq", "-o", log])
        queue.check_answer(self.command, *answer)
        queue.check_is_known()
        points = calls_in(log, re.compile(r'openat2?\([^"]*"' + re.escape(queue.place.queue)))
        os.unlink(log)
        return points

    def killed(self, bench, name, wrapper):
        shared, log = Shared.of_worker(bench), f"{bench.path}/{name}.log"
        queue = shared.get()
        try:
            answer = queue.disturb(self.state, self.command, wrapper(log))
            killed = was_killed(log)
            if not killed:
                queue.check_answer(self.command, *answer)
            queue.check_after()
        except Failure as failure:
            raise Failure(f"{failure} (place {shared.spoiled()})") from None
        os.unlink(log)
        return killed


CASES = [Processor("a script", Variant("script", SMALL, "hold", "gzip")), Processor("plain", PLAIN),
         Processor("gate at the end", Variant("steps", SMALL, "eof", "zstd")),
         *(Processor(policy, PLAIN, policy) for policy in ("retry", "delete", "leave", "quarantine")),
         # After a kill in the middle of a job, and after one between its commit and the removal of its file.
         Processor("recovery", Variant("single", 100_000, None, "plain"), interrupted=True),
         Processor("recovery after a commit", PLAIN, killed_at=("unlinkat", "jobs")),
         *(SenderOf(kind) for kind in ("enqueue", "queue-write", "prepare")),
         *(Reader(command, state) for command in COMMANDS for state in STATES)]


def calls_in(log, start):
    """[name, which of its name] of each call from the one on that matches `start`."""
    with open(log) as file:
        lines = [line for line in file if re.match(r"\w+\(", line)]
    counts, points, begun = collections.Counter(), [], False
    for line in lines:
        name = line.split("(")[0]
        counts[name] += 1
        begun = begun or start.match(line) is not None
        if begun and name not in MEMORY:
            points.append([name, counts[name]])
    if not points:
        raise Failure("the run that nobody disturbs opens nothing")
    return points


def points_of(bench, number, worker):
    """The calls of a case. Another worker may be tracing it, too: the first one's trace is everybody's."""
    path = f"{bench.path}/steps-{number}.trace"
    if not os.path.exists(path):
        own = f"{path}.{worker}"
        with open(own, "w") as file:
            json.dump(CASES[number].trace(bench, f"steps-{number}-trace-{worker}"), file)
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        os.unlink(own)
    with open(path) as file:
        return json.load(file)


def killed_at(log, call, when):
    return ["strace", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]


def part_steps(bench, rounds, seed, worker, report):
    for index in rounds:
        case = CASES[index // STRIDES]
        try:
            points = points_of(bench, index // STRIDES, worker)[index % STRIDES::STRIDES]
        except Failure as failure:
            report(f"steps: {case.name}, undisturbed", str(failure))
            end_all()
            continue
        missed = 0
        for call, when in points:
            what = f"steps: {case.name}, killed at {call} {when}"
            try:
                if case.killed(bench, f"steps-{index}-{call}-{when}", lambda log: killed_at(log, call, when)):
                    report(what)
                else:
                    missed += 1
            except Failure as failure:
                report(what, str(failure))
                end_all()
            except subprocess.TimeoutExpired:
                report(what, "hangs")
                end_all()
        if len(points) > 4 and missed > len(points) // 2:
            report(f"steps: {case.name}, every {STRIDES}th call", f"{missed} of {len(points)} calls are not met again")
    Shared.of_worker(bench).finish(report)
