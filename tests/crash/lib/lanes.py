"""queue-process --all with more queues than lanes, decoders begun ahead, while the parent, lanes and keepers are killed."""
import collections, os, random, re, signal, subprocess, tempfile

from .failure import Failure
from .processes import children_of, describe, end_all, left_behind, signal_to, wait_dead
from .storm_queue import StormQueue
from .variants import Variant

QUEUES, LANES = 6, 4
JOBS = 10                       # in each queue at the beginning of a round
PATIENCE = 60                   # seconds until a run counts as hung
SPAN = 0.25                     # seconds until the next kill, at most
VARIANT = Variant("script", (3_000, 20_000, 150_000), None, "zstd")
# In-process, a process each, and a shell that nobody sees through.
DECODERS = (["-d", "zstd -dcq"], ["-d", "zstd -dcq", "--no-builtin-decoders"], ["-d", "true && zstd -dcq | cat"])


class LaneRun:
    """One queue-process --all, and what is killed of it."""

    def __init__(self, storm, options):
        self.err = tempfile.TemporaryFile(dir=storm.path)
        words = [storm.bench.penstock, "queue-process", "--all", storm.many, "--lanes", str(LANES), "--lane-time", "1",
                 "--lock-wait", "30", "--look-ahead", "3", *options, storm.command]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.err, stderr=self.err,
                                        start_new_session=True,
                                        env=dict(os.environ, TMPDIR=storm.tmp, SHELL="/bin/bash"))
        self.pidfd = os.pidfd_open(self.process.pid)
        self.hit = collections.Counter()
        self.begun = {}         # in each queue, once the parent was dead
        self.spared = set()     # lanes of which something was killed: never both of them, that is another test

    def strike(self, kind, chance):
        """Nobody is killed if there is none of that kind at the moment."""
        if kind == "parent":
            self.hit[kind] += signal_to(self.pidfd, signal.SIGKILL)
            return
        lanes = [pid for pid in children_of(self.process.pid) if pid not in self.spared]
        if not lanes:
            return
        lane = chance.choice(lanes)
        victims = [lane] if kind == "lane" else children_of(lane)
        parent = self.process.pid if kind == "lane" else lane
        for pid in victims[:1]:
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            if pid in children_of(parent):
                self.spared.add(lane)
                self.hit[kind] += signal_to(pidfd, signal.SIGKILL)
            os.close(pidfd)

    def said(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def close(self):
        signal_to(self.pidfd, signal.SIGKILL)
        self.process.wait()
        os.close(self.pidfd)
        self.err.close()


class LaneStorm:
    def __init__(self, bench, name):
        self.bench, self.path = bench, f"{bench.path}/{name}"
        self.many, self.tmp, self.command = (f"{self.path}/{what}" for what in ("many", "tmp", "command"))
        os.makedirs(self.many)
        os.mkdir(self.tmp)
        with open(self.command, "w") as file:
            file.write(f'#!/bin/sh\nexec {bench.crash_job} commit "${{FSPL_JOB_FULLPATH%/jobs/*}}/../commits" 2000\n')
        os.chmod(self.command, 0o755)
        self.queues, self.interrupted = {}, {}
        for letter in "abcdefghij"[:QUEUES]:
            self.queues[letter] = StormQueue(bench, f"{name}/{letter}", VARIANT, 10**6, JOBS)
            os.symlink(self.queues[letter].queue, f"{self.many}/{letter}")
        self.figures = collections.Counter()

    def deliver(self):
        for queue in self.queues.values():
            while queue.delivered - queue.next() + 1 < JOBS:
                queue.deliver()

    def play(self, chance):
        self.deliver()
        run = LaneRun(self, chance.choice(DECODERS))
        try:
            kinds = [chance.choice(("lane", "keeper")) for _ in range(chance.randrange(1, 4))]
            kinds += ["parent"] if chance.random() < 0.6 else []
            for kind in kinds:
                self.await_instant(run, chance)
                run.strike(kind, chance)
            if run.hit["parent"] and wait_dead([run.pidfd], PATIENCE):
                # By now its lanes have their signal: what they had begun may not have come to say so yet, and that is all.
                run.begun = {letter: begun_in(queue) for letter, queue in self.queues.items()}
            self.finish(run)
        except Failure as failure:
            raise Failure(f"{failure} ({dict(run.hit)}; it said {run.said()[-2000:]!r})") from None
        finally:
            run.close()

    def await_instant(self, run, chance):
        """One in ten anywhere, the others while jobs run."""
        if chance.random() >= 0.1:
            while not any(queue.log_has_grown() for queue in self.queues.values()) and not wait_dead([run.pidfd], 0.002):
                pass
        wait_dead([run.pidfd], chance.uniform(0, SPAN))

    def finish(self, run):
        """After each run: nobody is there, each lock is free, and in each queue what ran is what should have run."""
        if not wait_dead([run.pidfd], PATIENCE):
            raise Failure("hangs: " + "; ".join(map(describe, left_behind())))
        status = run.process.wait()
        if rest := left_behind(15):
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        if os.listdir(self.tmp):
            raise Failure(f"left: {os.listdir(self.tmp)}")
        said = run.said()
        told = [line for line in said.splitlines() if line.startswith("penstock queue-process: ")]
        if not run.hit["parent"] and (status not in (0, 1) or bool(status) and not told):
            raise Failure(f"exit status {status} with {len(told)} sentences")
        if not run.hit and status != 0:
            raise Failure(f"a run that nobody disturbed ends with {status}")
        drained = sum(self.check_queue(letter, run, said) for letter in self.queues)
        # Whatever happened to one lane happened to one queue.
        if not run.hit["parent"] and drained < QUEUES - run.hit["lane"] - run.hit["keeper"]:
            raise Failure(f"only {drained} queues were drained")
        self.figures["runs"] += 1
        for kind, count in run.hit.items():
            self.figures[f"killed {kind}"] += count

    def check_queue(self, letter, run, said):
        """Whether it is drained."""
        queue, was_interrupted = self.queues[letter], self.interrupted.get(letter)
        try:
            if not queue.lock_is_free():
                raise Failure("the lock is held by nobody we know")
            if run.begun and begun_in(queue) > run.begun[letter] + 1:
                raise Failure(f"{begun_in(queue) - run.begun[letter]} jobs began after the parent was dead")
            for number, attempt in queue.check_log(was_interrupted):
                self.figures["interrupted and run again"] += 1
                if not re.search(rf"/{letter}: .*job {number} .*running it again as attempt {attempt}\n", said):
                    raise Failure(f"told nothing: job {number} ran as attempt {attempt}")
            number = queue.next()
            if number not in (queue.last, queue.last + 1):
                raise Failure(f"nextseq is {number}, and job {queue.last} began last")
            if number > 1 and not os.path.exists(f"{queue.commits}/{number - 1}"):
                raise Failure(f"lost: nextseq is {number}, and the job before it is not done")
            there = len([name for name in os.listdir(queue.queue + "/jobs") if name.endswith(".fspl")])
            if there < queue.delivered - number + 1:
                raise Failure(f"lost: nextseq is {number} of {queue.delivered}, and {there} files are there")
        except Failure as failure:
            raise Failure(f"queue {letter}: {failure}") from None
        if run.hit or was_interrupted != number:
            self.interrupted[letter] = number if run.hit else None
        return number == queue.delivered + 1

    def drain(self):
        """The last run, in peace."""
        run = LaneRun(self, DECODERS[0])
        try:
            self.finish(run)
            for queue in self.queues.values():
                queue.jobs = queue.delivered
                queue.check_end()
                self.figures["jobs"] += queue.jobs
                self.figures["starts"] += sum(queue.attempts.values())
        except Failure as failure:
            raise Failure(f"at the end: {failure} (it said {run.said()[-2000:]!r})") from None
        finally:
            run.close()


def begun_in(queue):
    """Commands, since there is the queue."""
    try:
        with open(queue.commits + "/log") as file:
            return sum(line.startswith("start ") for line in file)
    except FileNotFoundError:
        return 0


def part_lanes(bench, rounds, seed, worker, report):
    what, storm = f"lanes: seed {seed}", None
    try:
        storm = LaneStorm(bench, f"lanes-{worker}")
        for index in rounds:
            what = f"lanes: round {index}, seed {seed}"
            storm.play(random.Random(f"{seed} lanes {index}"))
            report(what)
        what = "lanes: drained at the end"
        storm.drain()
        report(what, figures=storm.figures)
    except (Failure, subprocess.TimeoutExpired) as failure:
        report(what, f"{failure} (place {storm and storm.path})")
        end_all()
