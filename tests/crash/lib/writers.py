"""Many processes at once on one queue and its header index: queue-ls, queue-process behind a gap, queue-write, now and then the
real fspl, and kill -9 of some of them."""
import collections, os, random, re, signal, subprocess, tempfile, time

from .failure import Failure
from .place import Place
from .processes import describe, end_all, left_behind, signal_to, wait_dead
from .variants import SMALL, Variant
from .waiting import MUCH, check_rows, fnv1a, rows_of

PATIENCE = 60           # seconds until a round counts as hung
KILLED_WITHIN = 0.06    # seconds: about as long as a round takes
VARIANT = Variant("single", SMALL, None, "zstd")
DECODERS = ("zstd -dcq", "true && zstd -dcq | cat")  # in-process, and a process each: rows of two kinds
FSPL = "/usr/bin/fspl"


class Started:
    """One of those processes."""

    def __init__(self, queue, kind, words, packet=None):
        self.kind, self.was_killed = kind, False
        self.out, self.err = (tempfile.TemporaryFile(dir=queue.place.path) for _ in range(2))
        with open(packet or "/dev/null", "rb") as file:
            self.process = subprocess.Popen(words, stdin=file, stdout=self.out, stderr=self.err, start_new_session=True,
                                            env=dict(os.environ, TMPDIR=queue.place.tmp, SHELL="/bin/bash"))
        self.pidfd = os.pidfd_open(self.process.pid)

    def kill(self):
        self.was_killed = signal_to(self.pidfd, signal.SIGKILL) or self.was_killed

    def read(self, file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def close(self):
        signal_to(self.pidfd, signal.SIGKILL)
        self.process.wait()
        os.close(self.pidfd)
        self.out.close()
        self.err.close()


class Crowd:
    """A queue whose job 1 is missing, and all that is done to it at once."""

    def __init__(self, bench, name):
        self.bench = bench
        self.place = Place(bench, name, VARIANT, jobs=0)
        self.index = self.place.queue + "/penstock/index"
        self.numbers = {}       # of each file name in the queue
        self.next_number = 2    # that no sender was given yet
        self.missing = []       # those of senders that were killed
        self.torn = 0
        self.figures = collections.Counter()

    def start(self, kind, decoder, number=None, program=None):
        words = [program or self.bench.penstock, kind, "-q", self.place.queue]
        if kind != "queue-write":
            words += ["-d", decoder]
        if kind == "queue-process":
            words += [] if program else ["--lock-wait", "60"]
            words += [self.bench.crash_job, "--", "commit", self.place.commits, "0"]
        packet = self.bench.packet(VARIANT, number) if number else None
        return Started(self, kind if not program else f"fspl {kind}", words, packet)

    def play(self, chance):
        before = dict(self.numbers)
        sent = [self.missing.pop() if self.missing else self.take_number() for _ in range(3)]
        kinds = ["queue-ls"] * 4 + ["queue-process"] * 3
        plan = [(kind, chance.choice(DECODERS), None, None) for kind in kinds]
        plan += [("queue-write", None, number, None) for number in sent[:2]]
        kind = chance.choice(("queue-ls", "queue-process", "queue-write"))
        plan.append((kind, DECODERS[0], sent[2] if kind == "queue-write" else None,
                     FSPL if os.access(FSPL, os.X_OK) else None))
        if kind != "queue-write":
            self.missing.append(sent.pop())
        for number in sent:
            self.bench.packet(VARIANT, number)
        chance.shuffle(plan)
        cut = self.set_index(chance)
        started = []
        try:
            started = [self.start(*one) for one in plan]
            self.kill_some(started, chance)
            if not wait_dead([one.pidfd for one in started], PATIENCE):
                raise Failure("hangs: " + "; ".join(map(describe, left_behind())))
            for one in started:
                one.process.wait()
            if rest := left_behind(10):
                raise Failure("left running: " + "; ".join(map(describe, rest)))
            self.look(sent)
            for one in started:
                self.check_one(one, before)
            self.check_index(sum(one.was_killed for one in started) + cut)
        finally:
            for one in started:
                one.close()

    def take_number(self):
        self.next_number += 1
        return self.next_number - 1

    def kill_some(self, started, chance):
        ours = [one for one in started if not one.kind.startswith("fspl")]
        began = time.monotonic()
        victims = chance.sample(ours, chance.randrange(4))
        for instant, victim in sorted(((chance.uniform(0, KILLED_WITHIN), victim) for victim in victims), key=lambda pair: pair[0]):
            wait_dead([one.pidfd for one in started], max(0, began + instant - time.monotonic()))
            victim.kill()
            self.figures["killed"] += victim.was_killed

    def set_index(self, chance):
        """What earlier runs may have left. Returns how many of its lines are torn by that."""
        way = chance.choice(("as it is",) * 5 + ("gone", "overgrown", "overgrown", "cut"))
        if not os.path.exists(self.index) or not os.path.getsize(self.index):
            return 0
        self.figures[f"index {way}"] += 1
        if way == "gone":
            os.unlink(self.index)
            self.torn = 0
        if way == "overgrown":
            line = b"1 2 3 %d 5 6 7 8 9 + 1 2 3 -"
            with open(self.index, "ab") as file:
                for which in range(MUCH * 2):
                    row = line % (2**40 + which)
                    file.write(b"\n%s %x\n" % (row, fnv1a(row)))
        if way == "cut":
            size = os.path.getsize(self.index)
            os.truncate(self.index, max(size - chance.randrange(1, 60), 17))
            return 1
        return 0

    def listed(self, decoder, *options):
        done = subprocess.run([self.bench.penstock, "queue-ls", "-q", self.place.queue, "-d", decoder, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                              env=dict(os.environ, TMPDIR=self.place.tmp, SHELL="/bin/bash"))
        if done.returncode != 0 or done.stderr:
            raise Failure(f"queue-ls ends with {done.returncode}: {done.stderr!r}")
        return done.stdout

    def look(self, sent):
        """The same list with the index as without. What a sender that was killed has not brought is brought later."""
        lists = {self.listed(decoder, *options) for decoder in DECODERS for options in ((), ("--no-index",))}
        if len(lists) != 1:
            raise Failure(f"with the index and without, and by two decoders: {sorted(lists)}")
        self.numbers = numbers_in(lists.pop())
        files = os.listdir(self.place.queue + "/jobs")
        if sorted(files) != sorted(self.numbers):
            raise Failure(f"in jobs: {sorted(set(files) ^ set(self.numbers))} besides what is listed")
        there = list(self.numbers.values())
        wanted = set(range(2, self.next_number)) - set(self.missing)
        absent = wanted - set(there)
        if len(there) != len(set(there)) or not set(there) <= wanted or not absent <= set(sent):
            raise Failure(f"jobs {sorted(there)} are there, and not {sorted(absent)}; {sent} were just sent")
        self.missing += sorted(absent)
        if self.place.next() != 1 or self.place.starts():
            raise Failure(f"nextseq is {self.place.next()}, {self.place.starts()} ran")
        if os.listdir(self.place.tmp) or set(os.listdir(self.place.queue)) - {"penstock"} != {"jobs", "nextseq", "nextseq.lock"}:
            raise Failure(f"left: {os.listdir(self.place.tmp)}, {os.listdir(self.place.queue)}")
        if not self.place.lock_is_free():
            raise Failure("the lock is held by nobody we know")

    def check_one(self, one, before):
        """What was there before the round began must have been seen, by whoever was not killed."""
        self.figures[one.kind] += 1
        if one.was_killed or one.kind.startswith("fspl"):
            return
        out, said = one.read(one.out), one.read(one.err)
        if one.process.returncode != 0:
            raise Failure(f"{one.kind} ends with {one.process.returncode}: {said!r}")
        if one.kind == "queue-ls":
            listed = numbers_in(out)
            if said or not before.items() <= listed.items() or not listed.items() <= self.numbers.items():
                raise Failure(f"queue-ls lists {listed} of {self.numbers}: {said!r}")
        if one.kind == "queue-process" and before:
            found = re.search(r"waiting for job 1; (\d+) later jobs? ", said)
            if "skipped" in said or not found or not len(before) <= int(found[1]) <= len(self.numbers):
                raise Failure(f"queue-process, {len(before)} to {len(self.numbers)} jobs: {said!r}")

    def check_index(self, torn_at_most):
        folder = os.path.dirname(self.index)
        if not os.path.exists(folder):
            return
        if set(os.listdir(folder)) - {"index"}:
            raise Failure(f"left: {os.listdir(folder)}")
        if not os.path.exists(self.index):
            return
        with open(self.index, "rb") as file:
            rows, torn = rows_of(file.read())
        if torn > self.torn + torn_at_most:
            raise Failure(f"{torn} lines of the index are torn, {self.torn} were before, {torn_at_most} may be")
        self.torn = torn
        check_rows(rows, self.numbers, self.place.queue + "/jobs")

    def fill_the_gap(self):
        for number in sorted({1, *self.missing}):
            self.place.add(self.bench, number)
        self.place.jobs = self.next_number - 1
        done = subprocess.run([self.bench.penstock, "queue-process", "-q", self.place.queue, "-d", DECODERS[0],
                               self.bench.crash_job, "--", "commit", self.place.commits, "0"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ, TMPDIR=self.place.tmp))
        starts = self.place.starts()
        if done.returncode != 0 or starts != [(number, 1) for number in range(1, self.next_number)]:
            raise Failure(f"the gap is filled: {done.returncode}, {starts}: {done.stderr!r}")
        self.place.check_end()
        self.place.remove()


def numbers_in(text):
    return {line.split()[2]: int(line.split()[0]) for line in text.splitlines()[1:]}


def part_writers(bench, rounds, seed, worker, report):
    crowd = Crowd(bench, f"writers-{worker}")
    try:
        for index in rounds:
            what = f"writers: round {index}, seed {seed}"
            crowd.play(random.Random(f"{seed} writers {index}"))
            report(what)
        what = "writers: the gap is filled at the end"
        crowd.fill_the_gap()
        report(what, figures=crowd.figures)
    except (Failure, subprocess.TimeoutExpired) as failure:
        report(what, f"{failure} (place {crowd.place.path})")
        end_all()
