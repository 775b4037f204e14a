"""A queue of a round, and what must be true of it afterwards."""
import collections, fcntl, os, re, shutil

from .failure import Failure
from .processes import describe, left_behind

JOBS = 3            # in a queue


class Place:
    """A queue, where its jobs commit, and what the rounds left there."""

    def __init__(self, bench, name, variant, jobs=JOBS):
        self.path = os.path.join(bench.path, name)
        self.queue, self.commits, self.tmp = (os.path.join(self.path, part) for part in ("queue", "commits", "tmp"))
        self.variant, self.jobs = variant, jobs
        for directory in (self.queue + "/jobs", self.commits, self.tmp):
            os.makedirs(directory)
        with open(self.queue + "/nextseq", "w") as file:
            file.write("1\n")
        open(self.queue + "/nextseq.lock", "w").close()
        for number in range(1, jobs + 1):
            self.add(bench, number)

    def add(self, bench, number):
        os.link(bench.packet(self.variant, number), f"{self.queue}/jobs/{self.file_of(number)}")

    def file_of(self, number):
        return "fspl-00000000-0000-4000-8000-%012d.fspl" % (7919 * number % 10007)  # not in order

    def size(self, number):
        return self.variant.size

    def next(self):
        with open(self.queue + "/nextseq") as file:
            text = file.read()
        if not re.fullmatch(r"[0-9]+\n", text):
            raise Failure(f"nextseq is {text!r}")
        return int(text)

    def check_commits(self):
        """Numbers committed; a content that is not exactly the job's is a false commit."""
        done = set()
        for name in os.listdir(self.commits):
            if not name.isdigit():
                continue
            with open(f"{self.commits}/{name}") as file:
                content = file.read()
            if content != f"{self.size(int(name))} good\n":
                raise Failure(f"false commit: job {name}: {content!r}")
            done.add(int(name))
        return done

    def starts(self):
        """(number, attempt) of each command that began, in order."""
        found = []
        try:
            with open(self.commits + "/log") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return found
        for line in lines:
            word, *numbers = line.split()
            if word == "overlap":
                raise Failure(f"overlap: job {numbers[0]} began while another one ran")
            if word == "descriptor":
                raise Failure(f"leak: a command was given descriptor {numbers[0]}")
            if word == "commit":
                if numbers[1:] != [str(self.size(int(numbers[0]))), "good"]:
                    raise Failure(f"false commit: job {numbers[0]}: {' '.join(numbers[1:])}")
                continue
            if word == "start":
                found.append((int(numbers[0]), int(numbers[1])))
        return found

    def lock_is_free(self):
        with open(self.queue + "/nextseq.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                return False

    def check_end(self, failed=(), jobs=(), private=()):
        """After the last run: everything done, and nothing there that was not there before.

        But for jobs that `failed` for good, and what is to be left in the queue's jobs/ and penstock/.
        """
        done = self.check_commits()
        if done != set(range(1, self.jobs + 1)) - set(failed):
            raise Failure(f"lost: only {sorted(done)} of {self.jobs} jobs are done")
        if self.next() != self.jobs + 1:
            raise Failure(f"nextseq is {self.next()} at the end")
        wanted = {self.queue: ["jobs", "nextseq", "nextseq.lock"], self.queue + "/jobs": sorted(jobs), self.tmp: []}
        if private:
            wanted |= {self.queue: wanted[self.queue] + ["penstock"], self.queue + "/penstock": sorted(private)}
        for directory, names in wanted.items():
            there = files_in(directory)
            if there != names:
                raise Failure(f"left in {directory}: {there}")
        hidden = [name for name in os.listdir(self.commits) if name.startswith(".")]
        if hidden:
            raise Failure(f"commands left {hidden}")
        rest = left_behind()
        if rest:
            raise Failure("left running: " + "; ".join(map(describe, rest)))

    def remove(self):
        shutil.rmtree(self.path)


def files_in(directory):
    """Their names; without the header index of a run that found jobs waiting, which may stay in a queue."""
    names = sorted(os.listdir(directory))
    if "penstock" in names and os.listdir(directory + "/penstock") == ["index"]:
        names.remove("penstock")
    return names


def check_starts(starts, kills_at):
    """In order, each once, but for the job in flight at a kill: `kills_at` are the values of nextseq after each."""
    allowed = collections.Counter(kills_at)
    seen = collections.Counter()
    last = 0
    for number, attempt in starts:
        if number < last or number > last + 1:
            raise Failure(f"order: job {number} began after job {last} in {starts}")
        last = number
        seen[number] += 1
        if seen[number] > 1 + allowed[number]:
            raise Failure(f"repeated: job {number} began {seen[number]} times in {starts}")
        if seen[number] > 1 and attempt < 2:
            raise Failure(f"attempt: job {number} ran again as attempt {attempt}")
        if attempt > 1 and not allowed[number]:
            raise Failure(f"attempt: job {number} ran for the first time as attempt {attempt}")
