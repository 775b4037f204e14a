"""What is done while the power fails, and what must be true when it is back."""
import os, shutil, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PENSTOCK = os.path.abspath(os.environ.get("PENSTOCK", ROOT + "/build/release/bin/penstock"))
PATIENCE = 60

# Checks that it has the whole payload, and says so to the world outside the queue, for good.
COMMAND = """#!/bin/sh
[ "$(cat)" = "payload $FSPL_SEQ" ] || exit 9
echo "$FSPL_SEQ $PENSTOCK_ATTEMPT" >>"$EFFECTS"
[ "$FSPL_SEQ" != "$FAILS" ] || exit 3
"""


class Wrong(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Wrong(what)


class Place:
    """A directory with a queue `disk/q`, a sender's number `disk/seq`, and the world outside."""

    def __init__(self, path, found=None):
        self.path, self.disk = path, path + "/disk"
        self.queue, self.seq, self.effects = self.disk + "/q", self.disk + "/seq", path + "/effects"
        os.makedirs(path, exist_ok=True)
        if found is None:
            os.makedirs(self.disk, exist_ok=True)
        self.command = path + "/command"
        with open(self.command, "w") as file:
            file.write(COMMAND)
        os.chmod(self.command, 0o755)

    def environment(self, fails=0):
        return dict(os.environ, EFFECTS=self.effects, FAILS=str(fails), TMPDIR=self.path)

    def penstock(self, *words, data=b"", fails=0, wrapper=()):
        return subprocess.run([*wrapper, PENSTOCK, *words], input=data, capture_output=True, timeout=PATIENCE,
                              cwd=self.path, env=self.environment(fails))

    def good(self, *words, **more):
        result = self.penstock(*words, **more)
        if result.returncode != 0:
            raise Wrong(f"{words[0]}: exit {result.returncode}: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout

    def make_queue(self, first, count):
        self.good("queue-init", "-q", self.queue)
        self.good("queue-set-next", "-q", self.queue, str(first))
        self.good("prepare-set-next", "-s", self.seq, str(first))
        for number in range(first, first + count):
            self.good("enqueue", "-q", self.queue, "-s", self.seq, "-i", "-", data=b"payload %d" % number)

    def ran(self):
        if not os.path.exists(self.effects):
            return []
        with open(self.effects) as file:
            return [tuple(map(int, line.split())) for line in file]

    def jobs(self):
        return sorted(os.listdir(self.queue + "/jobs"))

    def next(self):
        return int(self.good("queue-get-next", "-q", self.queue))

    def numbers(self):
        """Of the jobs that lie there: only what decodes has one."""
        out = self.good("queue-ls", "-q", self.queue).decode().splitlines()[1:]
        return sorted(int(line.split()[0]) for line in out)


class Scenario:
    """What is done while the power fails, and what must be true when it is back."""
    name = ""
    syncs = True  # whether it must fail without its syncs
    first, count = 1, 3

    def prepare(self, place):
        place.make_queue(self.first, self.count)

    def words(self, place):
        raise NotImplementedError

    fails = 0

    def data(self):
        return b""

    def check(self, place, cuts, acknowledged):
        """`cuts`: how many jobs had run at each power cut; `acknowledged`: the recorded program had ended by then."""
        raise NotImplementedError


class Drain(Scenario):
    options = ()

    def words(self, place):
        return ["queue-process", "-q", place.queue, *self.options, place.command]

    def next_run(self, place):
        place.good(*self.words(place), fails=self.fails)

    def check(self, place, cuts, acknowledged):
        self.next_run(place)
        ran = [number for number, _ in place.ran()]
        wanted = list(range(self.first, self.first + self.count))
        self.check_order(ran, cuts, wanted)
        expect(place.next() == self.first + self.count, f"nextseq is {place.next()}")
        self.check_left(place)
        with open(place.queue + "/nextseq.lock", "rb") as file:
            left = file.read()
        # Of jobs that went into the quarantine in a row it keeps count, and of nothing else.
        expect(b" job=" not in left and (not left or b" row=" in left), f"the run record is still there: {left}")
        place.good(*self.words(place), fails=self.fails)
        expect(len(place.ran()) == len(ran), "a third run runs something again")

    def check_order(self, ran, cuts, wanted):
        again = [i for i in range(1, len(ran)) if ran[i - 1] == ran[i]]
        once = [number for i, number in enumerate(ran) if i not in again]
        expect(once == wanted, f"ran {ran}")
        expect(set(again) <= set(cuts), f"another one than the one in flight ran again: {ran}, cut after {cuts}")

    def check_left(self, place):
        expect(place.jobs() == [], f"left in jobs/: {place.jobs()}")


class Plain(Drain):
    name = "queue-process, three jobs"


class Growing(Drain):
    name = "queue-process over 9 and 10"
    first = 8


class Growing99(Drain):
    name = "queue-process over 99 and 100"
    first = 98
    syncs = False  # the same steps as above


class Decoded(Drain):
    name = "queue-process through a decoder"
    options = ("-d", "cat")


class Copies(Drain):
    name = "queue-process with a copy of each job"
    syncs = False

    def prepare(self, place):
        super().prepare(place)
        for name in place.jobs():
            shutil.copy(f"{place.queue}/jobs/{name}", f"{place.queue}/jobs/fspl-copy-of-{name}")


class Deleted(Drain):
    name = "queue-process --on-error Delete, the second fails"
    options = ("--on-error", "Delete")
    fails = 2


class Left(Drain):
    name = "queue-process --on-error Leave, the second fails"
    options = ("--on-error", "Leave")
    fails = 2
    syncs = False

    # Nothing that lies below nextseq is removed, since none of it need have been done.
    def check_left(self, place):
        expect(2 in place.numbers(), f"the job that failed has gone: {place.numbers()}")


class Quarantined(Drain):
    name = "queue-process --on-error quarantine, the second fails"
    options = ("--on-error", "quarantine")
    fails = 2

    def check_left(self, place):
        super().check_left(place)
        folder = place.queue + "/penstock/quarantine"
        kept = sorted(name for name in os.listdir(folder) if name.endswith(".fspl"))
        expect(len(kept) == 1, f"in the quarantine: {os.listdir(folder)}")
        with open(f"{folder}/{kept[0]}", "rb") as file:
            expect(file.read().endswith(b"payload 2"), "another file, or half of it, is in the quarantine")
        expect(os.path.exists(f"{folder}/{kept[0]}.report"), "there is no report beside it")
        with open(f"{folder}/{kept[0]}.report") as file:
            expect("the command exited 3" in file.read(), "the report does not say why")


class ByTime(Drain):
    name = "queue-process --order-by Timestamp"
    options = ("--order-by", "Timestamp")
    syncs = False  # removal is the commit there, and it is not synced one by one

    def check(self, place, cuts, acknowledged):
        self.next_run(place)
        ran = {number for number, _ in place.ran()}
        expect(ran == {1, 2, 3}, f"ran {ran}")
        self.check_left(place)


class Sender(Scenario):
    count = 1

    def extra(self, place):
        """Sends another one, then drains all; the numbers that ran."""
        number = int(place.good("prepare-get-next", "-s", place.seq))
        place.good("enqueue", "-q", place.queue, "-s", place.seq, "-i", "-", data=b"payload %d" % number)
        place.good("queue-process", "-q", place.queue, place.command)
        return [number for number, _ in place.ran()]


class Enqueue(Sender):
    name = "enqueue"

    def words(self, place):
        return ["enqueue", "-q", place.queue, "-s", place.seq, "-i", "-"]

    def data(self):
        return b"payload 2"

    def check(self, place, cuts, acknowledged):
        there = place.numbers()
        expect(there in ([1], [1, 2]), f"in the queue: {there}")
        expect(not acknowledged or there == [1, 2], "it was told to be in the queue, and is not")
        expect(all(name.startswith("fspl-") for name in place.jobs()), f"left over: {place.jobs()}")
        ran = self.extra(place)
        # Neither is a number used twice, nor is one lost.
        expect(ran == list(range(1, len(there) + 2)), f"ran {ran}, with {there} after the cut")


class Write(Sender):
    name = "queue-write"

    def prepare(self, place):
        super().prepare(place)
        self.packet = place.good("prepare", "-s", place.seq, "-i", "-", data=b"payload 2")

    def words(self, place):
        return ["queue-write", "-q", place.queue]

    def data(self):
        return self.packet

    def check(self, place, cuts, acknowledged):
        there = place.numbers()
        expect(there in ([1], [1, 2]), f"in the queue: {there}")
        expect(len(place.jobs()) == len(there), f"half a job: {place.jobs()}")
        expect(not acknowledged or there == [1, 2], "it was told to be in the queue, and is not")
        if there == [1]:
            place.good("queue-write", "-q", place.queue, data=self.packet)
        expect(self.extra(place) == [1, 2, 3], f"ran {place.ran()}")


class Prepare(Sender):
    name = "prepare"
    first = 9

    def words(self, place):
        return ["prepare", "-s", place.seq, "-i", "-"]

    def data(self):
        return b"payload 10"

    def check(self, place, cuts, acknowledged):
        number = int(place.good("prepare-get-next", "-s", place.seq))
        expect(number in (10, 11), f"the sender's number is {number}")
        expect(not acknowledged or number == 11, "number 10 has gone out, and would go out again")


class SetNext(Scenario):
    name = "queue-set-next"

    def words(self, place):
        return ["queue-set-next", "-q", place.queue, "12345"]

    def check(self, place, cuts, acknowledged):
        number = place.next()
        expect(number in (1, 12345), f"nextseq is {number}")
        expect(not acknowledged or number == 12345, "it was told to be set, and is not")


class Init(Scenario):
    name = "queue-init"

    def prepare(self, place):
        pass

    def words(self, place):
        return ["queue-init", "-q", place.queue]

    def check(self, place, cuts, acknowledged):
        if not acknowledged:
            if os.path.exists(place.queue):
                place.good("queue-init", "--repair", "-q", place.queue)
            else:
                place.good("queue-init", "-q", place.queue)
        expect(place.next() == 1, f"nextseq is {place.next()}")
        expect(place.jobs() == [], f"in jobs/: {place.jobs()}")


SCENARIOS = [Plain, Growing, Growing99, Decoded, Copies, Deleted, Left, Quarantined, ByTime, Enqueue, Write, Prepare,
             SetNext, Init]
