"""Jobs that wait behind a gap, and the header index that their runs leave: in which state a run finds it, and what must
be true of queue and index after a run whatever became of it."""
import os, re, subprocess, time

from .failure import Failure
from .place import Place
from .processes import describe, end_all, left_behind
from .variants import SMALL, Variant

LAST = 4                # jobs 2 to 4 wait; 1 is missing
PATIENCE = 30           # seconds until a run counts as hung
SETTLED = 0.15          # seconds after which a file's header is remembered; the program takes 0.1
INTRO = b"penstock-index 1\n"
MUCH = 1200             # rows of files that are gone: more than a whole scan leaves there
# Nothing, all that is to be known, a part of it, with a line that somebody was killed at, and due to be written anew.
STATES = ("cold", "warm", "partly warm", "torn", "overgrown")
COMMANDS = ("queue-ls", "queue-process")
VARIANT = Variant("single", SMALL, None, "zstd")


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value


def rows_of(content):
    """The rows as lists of words, and how many lines are none. Throws if the file is not one that is ours, or empty."""
    if not content:
        return [], 0
    if not content.startswith(INTRO):
        raise Failure(f"the index begins with {content[:40]!r}")
    rows, torn = [], 0
    for line in content[len(INTRO):].split(b"\n"):
        if not line:
            continue
        words = line.rsplit(b" ", 1)
        if len(words) == 2 and words[1] == b"%x" % fnv1a(words[0]):
            rows.append(line.split(b" "))
        else:
            torn += 1
    return rows, torn


def check_rows(rows, numbers, directory):
    """What they say of a file as it is now must be so: `numbers` are those of the file names."""
    files = {}
    for name in numbers:
        try:
            status = os.stat(f"{directory}/{name}")
        except FileNotFoundError:
            continue
        files[b"%x" % fnv1a(name.encode()), b"%d" % status.st_ino, b"%d" % status.st_ctime_ns] = numbers[name]
    for row in rows:
        # WAY NAME DEVICE INODE SIZE MTIME CTIME + NUMBER, or - and when it failed
        key = row[1], row[3], b"%d" % (int(row[7]) * 10**9 + int(row[8]))
        if key in files and row[9:11] != [b"+", b"%d" % files[key]]:
            raise Failure(f"the index says {row[9:]} of job {files[key]}")


class Waiting:
    """A queue of such jobs. No run changes it, so all rounds of a worker share one."""

    def __init__(self, bench, name):
        self.bench = bench
        self.place = Place(bench, name, VARIANT, jobs=0)
        self.place.jobs = LAST
        self.jobs = self.place.queue + "/jobs"
        self.index = self.place.queue + "/penstock/index"
        self.begun = self.place.path + "/begun"
        self.decoder = self.place.path + "/decoder"
        self.rounds = 0
        with open(self.decoder, "w") as file:
            file.write(f"#!/bin/sh\necho x >>{self.begun}\nexec zstd -dcq\n")
        os.chmod(self.decoder, 0o755)
        for number in range(2, LAST + 1):
            # No link: the times of a job file change with each of its links.
            with open(bench.packet(VARIANT, number), "rb") as source:
                with open(f"{self.jobs}/{self.place.file_of(number)}", "wb") as file:
                    file.write(source.read())
        while time.time() - max(os.stat(f"{self.jobs}/{file}").st_ctime for file in os.listdir(self.jobs)) < SETTLED:
            time.sleep(0.01)
        self.files = self.identities()
        self.numbers = {self.place.file_of(number): number for number in range(2, LAST + 1)}
        self.list = self.listed("--no-index")
        if self.numbers_listed(self.list) != self.numbers or os.path.exists(self.index):
            raise Failure(f"the list of a run without an index: {self.list!r}")
        if self.listed() != self.list:
            raise Failure("the first list is another one than without an index")
        with open(self.index, "rb") as file:
            self.whole = file.read()
        rows, torn = rows_of(self.whole)
        if len(rows) != len(self.numbers) or torn:
            raise Failure(f"the first run's index is {self.whole!r}")

    def identities(self):
        found = {}
        for name in os.listdir(self.jobs):
            status = os.stat(f"{self.jobs}/{name}")
            found[name] = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return found

    @staticmethod
    def numbers_listed(text):
        return {line.split()[2]: int(line.split()[0]) for line in text.splitlines()[1:]}

    # --- runs ----------------------------------------------------------------------------------------------------

    def words(self, command, *options):
        words = [self.bench.penstock, command, "-q", self.place.queue, "-d", self.decoder, *options]
        if command == "queue-process":
            words += [self.bench.crash_job, "--", "commit", self.place.commits, "0"]
        return words

    def run(self, command, *options, wrapper=()):
        """(status, what it printed, what it said); nobody is left."""
        process = subprocess.Popen([*wrapper, *self.words(command, *options)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                                   env=dict(os.environ, TMPDIR=self.place.tmp, SHELL="/bin/bash"))
        try:
            out, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            end_all()
            process.communicate()
            raise Failure(f"hangs: {command}") from None
        rest = left_behind(10)
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        if not self.place.lock_is_free():
            raise Failure("the lock is held by nobody we know")
        return process.returncode, out, said

    def listed(self, *options):
        status, out, said = self.run("queue-ls", *options)
        if status != 0 or said:
            raise Failure(f"queue-ls {' '.join(options)} ends with {status}: {said!r}")
        return out

    def count_begun(self):
        """Decoders, since the last time."""
        try:
            with open(self.begun) as file:
                count = len(file.read().splitlines())
            os.unlink(self.begun)
            return count
        except FileNotFoundError:
            return 0

    # --- a round -------------------------------------------------------------------------------------------------

    def set_index(self, state):
        """As an earlier run has left it."""
        folder = os.path.dirname(self.index)
        for name in os.listdir(folder) if os.path.exists(folder) else []:
            os.unlink(f"{folder}/{name}")
        if state == "cold":
            if os.path.exists(folder):
                os.rmdir(folder)
            return
        first_row = self.whole[:self.whole.index(b"\n", len(INTRO)) + 1]
        content = {"warm": self.whole, "partly warm": first_row, "torn": self.whole[:-30],
                   "overgrown": first_row + self.old_rows()}[state]
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(self.index, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)

    def old_rows(self):
        words = self.whole.splitlines()[1].split(b" ")[:-1]
        lines = [b" ".join([*words[:3], b"%d" % (2**40 + which), *words[4:]]) for which in range(MUCH)]
        return b"".join(b"%s %x\n" % (line, fnv1a(line)) for line in lines)

    def disturb(self, state, command, wrapper):
        """A run with the index in that state, under a wrapper that does something to it."""
        self.set_index(state)
        self.rounds += 1
        return self.run(command, wrapper=wrapper)

    def check_answer(self, command, status, out, said):
        """Of a run that was not killed: no job may be passed over without a word."""
        ours = [line for line in said.splitlines() if line.startswith(f"penstock {command}: ")]
        if status not in (0, 1) or (status == 1 and not ours):
            raise Failure(f"exit status {status} with {len(ours)} sentences: {said!r}")
        if status == 1:
            return
        skipped = [name for name in self.numbers if f"{name} is skipped: " in said]
        if command == "queue-ls":
            listed = self.numbers_listed(out)
            wanted = {name: number for name, number in self.numbers.items() if name not in skipped}
            if listed != wanted:
                raise Failure(f"lists {listed}, told of {skipped}")
        elif not skipped and not re.search(rf"waiting for job 1; {LAST - 1} later jobs are here", said):
            raise Failure(f"does not wait for job 1: {said!r}")

    def check_after(self):
        """The next runs find everything, repair the index, and know it all from then on."""
        self.check_queue()
        if (listed := self.listed()) != self.list:
            raise Failure(f"the next queue-ls lists {listed!r} instead of {self.list!r}")
        if (listed := self.listed("--no-index")) != self.list:
            raise Failure(f"the next queue-ls --no-index lists {listed!r} instead of {self.list!r}")
        status, out, said = self.run("queue-process")
        self.check_answer("queue-process", status, out, said)
        if status != 0 or "skipped" in said or self.place.starts():
            raise Failure(f"the next run ends with {status}: {said!r}, {self.place.starts()}")
        self.check_queue()
        self.check_is_known()

    def check_is_known(self):
        """All jobs by the index: nothing is decoded."""
        self.count_begun()
        listed, begun = self.listed(), self.count_begun()
        if listed != self.list or begun:
            raise Failure(f"the index is not as good as new: {begun} decoders, {listed!r}")

    def check_queue(self):
        if self.identities() != self.files:
            raise Failure(f"lost or changed: {self.identities()} instead of {self.files}")
        if self.place.next() != 1:
            raise Failure(f"nextseq is {self.place.next()}")
        there = {name: os.listdir(path) for name, path in (("queue", self.place.queue), ("tmp", self.place.tmp))}
        if set(there["queue"]) - {"penstock"} != {"jobs", "nextseq", "nextseq.lock"} or there["tmp"]:
            raise Failure(f"left: {there}")
        if not os.path.exists(os.path.dirname(self.index)):
            return
        if set(os.listdir(os.path.dirname(self.index))) - {"index"}:
            raise Failure(f"left: {os.listdir(os.path.dirname(self.index))}")
        if os.path.exists(self.index):
            with open(self.index, "rb") as file:
                rows, _ = rows_of(file.read())
            check_rows(rows, self.numbers, self.jobs)

    def fill_the_gap(self):
        """At the end of all rounds: everything runs, once and in order, and the queue is what it was."""
        self.place.add(self.bench, 1)
        status, _, said = self.run("queue-process")
        starts = self.place.starts()
        if status != 0 or starts != [(number, 1) for number in range(1, LAST + 1)]:
            raise Failure(f"after {self.rounds} rounds the gap is filled: status {status}, {starts}: {said!r}")
        self.place.check_end()
        self.place.remove()


class Shared:
    """The queue of a worker, made anew after a failure, which keeps its own."""

    known = {}  # by the worker's pid

    def __init__(self, bench):
        self.bench, self.queue, self.made = bench, None, 0

    @classmethod
    def of_worker(cls, bench):
        return cls.known.setdefault(os.getpid(), cls(bench))

    def get(self):
        if not self.queue:
            self.made += 1
            self.queue = Waiting(self.bench, f"waiting-{os.getpid()}-{self.made}")
        return self.queue

    def spoiled(self):
        """Returns where it is."""
        path, self.queue = self.queue and self.queue.place.path, None
        return path

    def finish(self, report):
        if not self.queue:
            return
        try:
            self.queue.fill_the_gap()
            report("index: the gap is filled at the end")
        except Failure as failure:
            report("index: the gap is filled at the end", str(failure))
            end_all()
