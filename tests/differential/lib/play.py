"""One queue, played with both."""
import collections, os, random, re, time

from .generator import Case
from .mended import Decoding, Mended
from .side import Side


class Play:
    def __init__(self, place, number, seed, fspl, penstock, say=None):
        self.place, self.fspl, self.penstock, self.say = place, fspl, penstock, say
        self.allowed, self.jobs, self.told = collections.Counter(), 0, []
        self.loose = set()  # outputs of commands that were ended half-way
        self.tried = None   # the job with which the last run of ours ended
        self.decoded = Decoding()
        os.mkdir(place)
        self.case = Case(random.Random(f"{seed}:{number}"), place, (fspl, penstock))

    def run(self):
        """What is different; nothing if all is well."""
        case, place = self.case, os.fsencode(self.place)
        if case.differences:
            return case.differences
        for name in (b"/fspl", b"/ours", b"/outside"):
            os.mkdir(place + name)
        sides = [Side(place + name, case, place + b"/outside") for name in (b"/fspl", b"/ours")]
        if case.slow:
            time.sleep(0.12)
        self.tell(f"decoder {case.decoder!r}, nextseq {case.next_text!r}, append-only {case.append_only}, "
                  f"{case.environment}{' and ' + str(case.stale) if case.stale else ''}")
        for name, content in sides[0].job_files().items():
            self.tell(f"  {name!r}: {self.describe(content, case.decoder)}")
        for step in case.steps:
            if step.what == "arrive":
                self.tell(f"arrives: {step.entry.name!r}: {self.describe(step.entry.stored, case.decoder)}")
                for side in sides:
                    side.add(step.entry)
            elif differences := self.both(sides, step):
                return differences
        return []

    def describe(self, content, decoder):
        if not isinstance(content, bytes):
            return str(content)
        plain, status = self.decoded(content, decoder)
        packet, _ = self.case.packet_of(plain)
        return (f"{len(content)} bytes, decoded {len(plain)}, status {status}, "
                + (f"{packet}"[:300] if packet else "no known header"))

    def tell(self, what):
        self.told.append(what)
        if self.say:
            print(what, flush=True)

    def both(self, sides, step):
        mended = Mended(sides[0], self.fspl, step, self.decoded, self.tried)
        theirs = mended.outcome
        by_fspl = step.second_by_fspl
        self.tell(f"$ {'fspl on both' if by_fspl else ''} {step.argv}{' (locked)' if step.locked else ''} "
                  f"{ {name: ' '.join(words) for name, words in step.script.items()} or ''}")
        if by_fspl:
            ours = Mended(sides[1], self.fspl, step, self.decoded, self.tried).outcome
        else:
            # Under --ignore-payload that is not for the command: D25.
            stdin = b"the caller's\n" if step.stored is None else step.stored
            ours = sides[1].run(self.penstock, step, locked=step.locked, stdin=stdin)
            if step.what == "queue-process" and ours.starts:
                self.tried = ours.starts[-1].name if ours.status == 1 else None
            elif step.what == "queue-process" and ours.status == 1:
                # One of kind Fail starts nothing.
                failed = re.findall(rb"job \d+ \(([^)]*)\) failed", ours.stderr)
                self.tried = failed[-1] if failed else self.tried
        if step.stored is not None:
            self.tell(f"  its input: {self.describe(step.stored, None)}")
        self.tell(f"  fspl {theirs.status}, ours {ours.status}, jobs {[start.name for start in theirs.starts]}, "
                  f"nextseq {sides[0].next_content()}, mended {dict(mended.allowed)}")
        self.allowed += mended.allowed
        self.jobs += len(theirs.starts)
        self.loose |= {name + b".out" for name in mended.doomed if step.save}
        return self.compare(sides, mended, theirs, ours)

    def compare(self, sides, mended, theirs, ours):
        different = []

        def same(what, one, other):
            if one != other:
                different.append(f"{what}:\n    fspl: {one}\n    ours: {other}")

        same("exit status", theirs.status, ours.status)
        if mended.prefix:
            if not (theirs.stdout.startswith(ours.stdout) or ours.stdout.startswith(theirs.stdout)):
                different.append("stdout does not begin with the same")
        else:
            same("stdout", theirs.stdout, ours.stdout)
        starts = []
        for start in ours.starts:
            # One that was killed early has not told its name yet.
            if mended.doomed and (start.name in mended.doomed or not start.name and not start.ended):
                if start.ended:
                    different.append(f"{start.name!r} has seen the end of an input that is not good to its end")
            else:
                starts.append(start)
        same("jobs", [start.name for start in theirs.starts], [start.name for start in starts])
        for one, other in zip(theirs.starts, starts):
            same(f"job {one.name!r}", one, other)
        one, other = (side.tree(self.loose) for side in sides)
        for name in sorted(set(one) | set(other)):
            same(f"what is left: {name!r}", one.get(name), other.get(name))
        if any(word in ours.stderr for word in (b"Sanitizer", b"ssertion", b"terminate called")):
            different.append("a fault of the program")
        if different:
            different.append(f"stderr:\n    fspl: {theirs.stderr!r}\n    ours: {ours.stderr!r}")
        return different
