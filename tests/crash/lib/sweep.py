"""Each file-system call of a run fails in turn with each error that it may return; then one run without a repair.

Where a run ends up after that is compared with where it ends up when nothing fails.
"""
import os, re, subprocess

from .failure import Failure
from .faults import was_injected
from .place import Place, check_starts, files_in
from .processes import describe, end_all, left_behind
from .queue_run import PATIENCE, Run
from .variants import SMALL, Variant
from .waiting import COMMANDS, STATES, Shared

JOBS = 3              # in a queue; job 2 is the one that fails, where one is to fail
MOST_TIMES = 80       # a call that comes more often is failed that often only

# Which errors each call is failed with. EINTR stands where the call can be interrupted on some file system.
ERRORS = {"openat": "EIO ENOSPC EINTR EMFILE", "read": "EIO EINTR", "pread64": "EIO EINTR", "write": "EIO ENOSPC EINTR",
          "pwrite64": "EIO ENOSPC EINTR", "fdatasync": "EIO ENOSPC EINTR", "fsync": "EIO ENOSPC EINTR",
          "ftruncate": "EIO ENOSPC EINTR", "unlinkat": "EIO ENOSPC", "linkat": "EIO ENOSPC", "renameat": "EIO ENOSPC",
          "renameat2": "EIO ENOSPC", "mkdirat": "EIO ENOSPC", "newfstatat": "EIO", "statx": "EIO", "getdents64": "EIO",
          "flock": "EINTR ENOLCK", "close": "EIO ENOSPC EINTR", "lseek": "EIO", "faccessat2": "EIO",
          "splice": "EIO EINTR ENOSPC", "fallocate": "EIO ENOSPC EINTR", "fstatfs": "EIO", "copy_file_range": "EIO ENOSPC EINTR", "fcntl": "EIO EMFILE",
          "pipe2": "EMFILE", "memfd_create": "EMFILE", "socketpair": "EMFILE", "epoll_create1": "EMFILE"}
# Calls that libraries, decoders and commands make as well: only those about the queue and its files are failed.
ABOUT_THE_QUEUE = {"openat", "read", "pread64", "newfstatat", "statx", "getdents64", "close", "lseek", "fcntl"}

# The same for the header index; of `write` only those to it. It is opened by openat2.
INDEX_ERRORS = {call: ERRORS[call] for call in ("openat", "read", "pread64", "write", "ftruncate", "newfstatat", "getdents64",
                "flock", "close", "lseek", "fcntl")}
INDEX_ERRORS |= {"openat2": "EIO ENOSPC EINTR EMFILE EAGAIN", "mkdir": "EIO ENOSPC EROFS"}

PLAIN = Variant("single", SMALL, None, "plain")
GZIP = Variant("single", SMALL, "hold", "gzip")


class Scenario:
    """What a queue is like when the run begins whose calls fail, and what that run is told."""

    def __init__(self, name, variant, options=(), fails=False, killed_at=None, damaged=False, sealed=False):
        self.name, self.variant, self.options, self.fails = name, variant, list(options), fails
        self.killed_at, self.damaged, self.sealed = killed_at, damaged, sealed

    def set_up(self, bench, place):
        """Returns the jobs that were in flight at a kill."""
        if self.sealed:
            files = [f"{place.queue}/jobs/{name}" for name in os.listdir(place.queue + "/jobs")]
            for file in files:  # the job files are links to those of all other rounds
                with open(file, "rb") as opened:
                    content = opened.read()
                os.unlink(file)
                with open(file, "wb") as opened:
                    opened.write(content)
            if subprocess.run([bench.penstock, "seal", *files], capture_output=True).returncode != 0:
                raise Failure("the job files cannot be sealed")
        if self.fails:
            open(place.commits + "/fail-2", "w").close()
        if not self.killed_at:
            return []
        path = f"{place.queue}/{self.killed_at[1]}"
        words = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={self.killed_at[0]}", "-P", path,
                 "-e", f"inject={self.killed_at[0]}:signal=KILL:when=1"]
        run = Run(bench, place, self.variant, self.options, words)
        run.wait()
        run.close()
        if left_behind(10):
            raise Failure("left running by the run that was killed first")
        in_flight = [place.next()]
        if self.damaged:
            open(place.queue + "/nextseq", "w").close()
        return in_flight


SCENARIOS = [
    Scenario("success", PLAIN),
    Scenario("success, decoded", GZIP),
    Scenario("retry", PLAIN, ["--on-error", "retry"], fails=True),
    Scenario("delete", PLAIN, ["--on-error", "delete"], fails=True),
    Scenario("leave", PLAIN, ["--on-error", "leave"], fails=True),
    Scenario("quarantine", GZIP, ["--on-error", "quarantine"], fails=True),
    # Killed on its way into unlink: job 1 is done, its file is there. On its way into the commit: it may be done.
    Scenario("recovery", PLAIN, killed_at=("unlinkat", "jobs")),
    Scenario("recovery, decoded", GZIP, killed_at=("fdatasync", "nextseq")),
    Scenario("damaged number", PLAIN, killed_at=("unlinkat", "jobs"), damaged=True),
    Scenario("sealed", PLAIN, ["--require-seal"], sealed=True),
    Scenario("verified before", GZIP, ["--verify", "before"]),
]


def end_state(place):
    """Where a queue has ended up: what is done, the number, and the files that are left."""
    def names(directory, ending=""):
        try:
            return [name for name in files_in(directory) if name.endswith(ending)]
        except FileNotFoundError:
            return []
    quarantine = place.queue + "/penstock/quarantine"
    return {"done": sorted(place.check_commits()), "nextseq": place.next(), "jobs": names(place.queue + "/jobs"),
            "quarantine": names(quarantine), "temporary": names(place.tmp), "queue": names(place.queue)}


def check_sentence(run, status):
    """Status 0 or 1, and at 1 a reason."""
    ours = [line for line in run.said().splitlines() if line.startswith("penstock queue-process: ")]
    if status not in (0, 1) or (status == 1 and not ours):
        raise Failure(f"exit status {status} with {len(ours)} sentences")


def told_failed(said):
    """The jobs of which the run says that they failed."""
    return {int(number) for number in re.findall(r"job (\d+) \(\S+\) failed: ", said)}


def with_unread(starts, said):
    """Jobs that failed because their payload could not be read have not begun, and have had their turn."""
    unread = told_failed(said) - {number for number, _ in starts}
    return sorted(starts + [(number, 1) for number in unread])


def check_end(state, wanted, told):
    """It ends up where it does when nothing fails; but for jobs that failed for the fault's sake, which was said, and
    whose files are still there; and for files of finished jobs that nobody may remove any more, under `leave`."""
    missing = set(wanted["done"]) - set(state["done"])
    files = [name for name in state["jobs"] + state["quarantine"] if name.endswith(".fspl")]
    should = [name for name in wanted["jobs"] + wanted["quarantine"] if name.endswith(".fspl")]
    same = ("nextseq", "temporary") if missing or len(files) > len(should) else wanted.keys()
    differs = {key: (state[key], wanted[key]) for key in same if state[key] != wanted[key]}
    if differs or missing - told or len(files) < len(should) + len(missing):
        raise Failure(f"ends up elsewhere: {state} instead of {wanted}, told of {told}")


def play(bench, name, scenario, wrapper=None):
    """The run, and the one after it. Returns where the queue is, and the jobs that failed in the first run."""
    place = Place(bench, name, scenario.variant, jobs=JOBS)
    in_flight = scenario.set_up(bench, place)
    runs = [Run(bench, place, scenario.variant, scenario.options, wrapper(place) if wrapper else ())]
    try:
        status = runs[0].wait()
        rest = left_behind(2)
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        if not place.lock_is_free():
            raise Failure("the lock is held by nobody we know")
        check_sentence(runs[0], status)
        in_flight.append(check_number(place, scenario, status, runs[0].said()))
        if scenario.fails and "retry" in scenario.options and os.path.exists(place.commits + "/fail-2"):
            os.unlink(place.commits + "/fail-2")
        runs.append(Run(bench, place, scenario.variant, scenario.options))
        again = runs[1].wait()
        if again != 0:
            raise Failure(f"the next run ends with {again}: {runs[1].said()!r}")
        check_starts(with_unread(place.starts(), runs[0].said()), in_flight)
        state = end_state(place)
        place.remove()
        return state, told_failed(runs[0].said())
    except Failure as failure:
        raise Failure(f"{failure} (it said {runs[0].said()!r}, place {name})") from None
    finally:
        for run in runs:
            run.close()


def check_number(place, scenario, status, said):
    """All below the number has had its turn: done, or failed where that is allowed. Returns the number.

    One that was damaged and is not put right yet is 0: no job was begun.
    """
    if scenario.damaged:
        with open(place.queue + "/nextseq") as file:
            if not file.read().strip():
                return 0
    number, done = place.next(), place.check_commits()
    failed = told_failed(said)
    missing = set(range(1, number)) - done - failed
    if missing:
        raise Failure(f"nextseq {number}, but {sorted(missing)} did not run to their end")
    there = len(os.listdir(place.queue + "/jobs"))
    if there < place.jobs - number + 1:
        raise Failure(f"lost: nextseq {number}, {there} files left")
    if status == 0 and number != place.jobs + 1 and " is skipped: " not in said:
        raise Failure(f"status 0, but nextseq is {number}: {said!r}")
    return number


class IndexScenario:
    """A run over jobs behind a gap, which finds the header index in a certain state."""

    def __init__(self, command, state):
        self.command, self.state, self.name = command, state, f"{command} behind a gap, index {state}"

    def play(self, shared, log, call, error, when):
        """False if the call did not come that often."""
        queue = shared.get()
        try:
            wrapper = injector(log, call, error, when, is_about_the_index=True)(queue.place)
            status, out, said = queue.disturb(self.state, self.command, wrapper)
            queue.check_answer(self.command, status, out, said)
            queue.check_after()
        except Failure as failure:
            raise Failure(f"{failure} (place {shared.spoiled()})") from None
        return was_injected(log)


INDEX_SCENARIOS = [IndexScenario(command, state) for command in COMMANDS for state in STATES]


def injector(log, call, error, when, is_about_the_index=False):
    """A wrapper for a run in a place. Without -f it is the processor's own calls that fail."""
    def wrapper(place):
        words = ["strace", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
        if call in ABOUT_THE_QUEUE or is_about_the_index:
            files = [f"{place.queue}/jobs/{name}" for name in os.listdir(place.queue + "/jobs")]
            for path in [place.queue, *(f"{place.queue}/{name}" for name in ("jobs", "nextseq", "nextseq.lock",
                         "penstock", "penstock/quarantine", "penstock/index")), *files]:
                words += ["-P", path]
        return words
    return wrapper


def sweep_cases():
    cases = [(SCENARIOS, ERRORS), (INDEX_SCENARIOS, INDEX_ERRORS)]
    return [(scenario, call, error) for scenarios, calls in cases for scenario in scenarios
            for call, errors in calls.items() for error in errors.split()]


class Oracle:
    """Where each scenario ends up when nothing fails, and which of its writes are to files."""

    def __init__(self, bench, worker):
        self.bench, self.worker, self.states, self.writes = bench, worker, {}, {}

    def state(self, scenario):
        if scenario.name not in self.states:
            self.states[scenario.name], _ = play(self.bench, f"oracle-{self.worker}-{scenario.name}", scenario)
        return self.states[scenario.name]

    def times(self, scenario, call):
        """Which calls are worth failing: the first, the second, ... A write to an event descriptor does not fail so."""
        if call != "write" or scenario in INDEX_SCENARIOS:
            return range(1, MOST_TIMES + 1)
        if scenario.name not in self.writes:
            log = f"{self.bench.path}/writes-{self.worker}.log"
            play(self.bench, f"writes-{self.worker}-{scenario.name}", scenario,
                 lambda place: ["strace", "-qq", "-y", "-o", log, "-e", "trace=write"])
            with open(log) as file:
                lines = [line for line in file if line.startswith("write(")]
            self.writes[scenario.name] = [number for number, line in enumerate(lines, 1)
                                          if re.match(r"write\((?![12]<)\d+</", line)]
        return self.writes[scenario.name]


def part_sweep(bench, rounds, seed, worker, report):
    """`rounds` are (case, stride, offset): every stride-th call of it, from the offset on."""
    cases, oracle, shared = sweep_cases(), Oracle(bench, worker), Shared.of_worker(bench)
    for index, stride, offset in rounds:
        scenario, call, error = cases[index]
        try:
            times = oracle.times(scenario, call)[offset::stride]
        except Failure as failure:
            report(f"sweep: {scenario.name}, undisturbed", str(failure))
            continue
        for when in times:
            what = f"sweep: {scenario.name}: {call} fails with {error}, time {when}"
            log = f"{bench.path}/sweep-{index}-{when}.log"
            try:
                if scenario in INDEX_SCENARIOS:
                    if not scenario.play(shared, log, call, error, when):
                        break
                    report(what)
                    continue
                wanted = oracle.state(scenario)
                state, told = play(bench, f"sweep-{index}-{when}", scenario, injector(log, call, error, when))
                if not was_injected(log):
                    break
                check_end(state, wanted, told)
                report(what)
            except Failure as failure:
                report(what, str(failure))
                end_all()
            except subprocess.TimeoutExpired:
                report(what, "hangs")
                end_all()
            finally:
                if os.path.exists(log):
                    os.unlink(log)
    shared.finish(report)
