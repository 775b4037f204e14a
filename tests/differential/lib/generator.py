"""A queue made by chance, and what is to be done with it."""
import base64, dataclasses, gzip, lzma, os, shutil, subprocess

from . import packet as packets
from .packet import Packet

LAST = 2**64 - 1
# Decoders, and what stores a job file for them.
DECODERS = {
    None: (), "cat": (), "gzip -dc": ("gzip",), "zcat": ("gzip",), "gunzip": ("gzip",), "zstd -dc": ("zstd",),
    "zstdcat": ("zstd",), "xz -dc": ("xz",), "base64 -d": ("base64",), "base64 -d | gzip -dc": ("gzip", "base64"),
    "cat; exit 3": (),
}
WEIGHTS = (20, 2, 3, 3, 2, 4, 3, 3, 1, 2, 1)
NAMES = [b"fspl-.fspl", b"fspl-two words.fspl", b"fspl-\xc3\xa9.fspl", b"fspl-\xff\x80.fspl", b"fspl-a'b\"$c.fspl",
         b"fspl--n.fspl", b"fspl-a.fspl.fspl", b"fspl-*.fspl", b"fspl-\x1b[1m\t.fspl", b"fspl-\\n.fspl"]
OTHER_NAMES = [b"fspl.fspl", b"FSPL-a.fspl", b"fspl-a.FSPL", b"fspl-a.fspl.tmp", b".fspl-a.fspl", b"a.fspl", b"fspl-a",
               b"tmp-fspl-00000000-0000-4000-8000-000000000000.fspl.tmp", b"fspl-a.fspl~", b"README"]
STATUSES = ["1", "2", "3", "42", "126", "127", "255", "KILL", "TERM", "SEGV", "PIPE"]


def encode(stored, codings):
    for coding in codings:
        if coding == "gzip":
            stored = gzip.compress(stored, 6, mtime=0)
        elif coding == "xz":
            stored = lzma.compress(stored, preset=0)
        elif coding == "base64":
            stored = base64.encodebytes(stored)
        else:
            stored = subprocess.run(["zstd", "-qc"], input=stored, stdout=subprocess.PIPE, check=True).stdout
    return stored


@dataclasses.dataclass
class Entry:
    """What lies in jobs/: a file with these bytes, or something else."""
    name: bytes
    stored: bytes = b""
    kind: str = "file"


@dataclasses.dataclass
class Step:
    what: str            # a subcommand, or "arrive"
    argv: list = dataclasses.field(default_factory=list)
    decoder: str = None
    id: int = None
    order: str = "Sequence"
    on_error: str = "Retry"
    maxjobs: int = None
    never_delete: bool = False
    ignore_payload: bool = False
    save: bool = False
    missing: bool = False      # its command
    locked: bool = False       # by somebody else
    script: dict = dataclasses.field(default_factory=dict)  # what the command does, by name of the job file
    entry: Entry = None        # what arrives
    stored: bytes = None       # what a stdin- command reads
    second_by_fspl: bool = False


class Case:
    """All of it for one number of the test."""

    def __init__(self, rng, place, programs):
        self.rng, self.place, self.programs = rng, place, programs
        self.plain = []        # packets, some of them damaged
        self.known = {}        # header: Packet
        self.differences = []  # between two `prepare`
        self.base = rng.choice([1, 1, 1, 1, 5, 126, 254, 65534, 2**32 - 3, 2**63 - 2, LAST - 6])
        self.decoder = rng.choices(list(DECODERS), WEIGHTS)[0]
        if not all(shutil.which(coding) for coding in DECODERS[self.decoder]):
            self.decoder = None
        self.clock = 1700000000 + rng.randrange(10**6)
        self.environment = {b"TZ": rng.choice([b"UTC", b"EST5EDT,M3.2.0,M11.1.0", b"Asia/Kolkata", b"<+0545>-5:45"])}
        shell = rng.choice([b"/bin/sh", b"/bin/sh", b"/bin/bash", None])
        if shell:
            self.environment[b"SHELL"] = shell
        self.stale = {}
        if rng.random() < 0.15:
            self.stale = {b"FSPL_PARAM_7": b"stale", b"FSPL_SET_STALE": b"stale", b"FSPL_JOB_OTHER": b"kept?"}
        self.append_only = rng.random() < 0.03
        self.slow = bool(self.decoder) and rng.random() < 0.2  # so that headers are kept in the index
        self.entries = self.make_entries()
        self.next_text = self.make_next()
        self.steps = self.make_steps()

    def chance(self, share):
        return self.rng.random() < share

    def packet_of(self, plain):
        """What these bytes begin with, of what was made here: a Packet and its header, or None."""
        header = packets.header_of(plain)
        if header not in self.known:
            header = plain[:30]  # of an absurd length
        return self.known.get(header), header

    # Packets.

    def octets(self, most=24):
        alphabet = b"abcxyzABC019 -_/=.,;'\"\\$*\n\t\x01\x7f\x80\xc3\xa9\xff"
        return bytes(self.rng.choice(alphabet) for _ in range(self.rng.choice((0, 1, 3, 8, 15, 16, 17, most))))

    def payload(self):
        size = self.rng.choices((0, 1, 40, 4000, 8107, 65536, 65451, 150000), (3, 2, 8, 3, 2, 1, 1, 1))[0]
        return (b"%d payload\n" % self.rng.randrange(10**9) * (size // 10 + 1))[:size]

    def parameters(self):
        return [self.octets() for _ in range(self.rng.choices((0, 1, 2, 4, 16), (6, 4, 3, 2, 1))[0])]

    def variables(self):
        names = [b"A", b"B", b"FOO", b"a_b", b"X", b"", b"N=M"]
        return [(self.rng.choice(names), self.octets()) for _ in range(self.rng.choices((0, 1, 2, 5), (6, 4, 3, 2))[0])]

    def ctime(self):
        """Increasing, decreasing or equal; now and then far away."""
        if self.chance(0.06):
            # The last and the first time that fspl can print, but for a day: the zone counts (D21).
            far = self.rng.choice([-1, -86401, 0, 253402300800, 8210298412799 - 86400, -8334632851200 + 86400])
            return far, self.rng.randrange(10**9)
        self.clock += self.rng.choice((0, 1, 1, 60, -1, -3600, 86400))
        return self.clock, self.rng.choices((5000, self.rng.randrange(10**6) * 1000, 1999999000), (2, 9, 1))[0]

    def by_hand(self, seq):
        rng = self.rng
        kind = rng.choices(("Command", "NOP", "Fail"), (12, 2, 2))[0]
        packet = Packet(seq, *self.ctime(), kind)
        if kind == "Command":
            packet.params, packet.env = self.parameters(), self.variables()
            odd = rng.random()
            if odd < 0.03:
                packet.params.append(b"a\0b")
            elif odd < 0.05:
                packet.env.append((b"N\0L", b"x") if self.chance(0.5) else (b"NUL", b"x\0y"))
            elif odd < 0.055:
                packet.params.append(b"p" * 140000)
        if self.chance(0.012):
            packet.absurd = "D21"
            packet.secs, packet.nanos = rng.choice([(8210298412800, 5), (2**63 - 1, 5), (-2**62, 0), (5, 2 * 10**9)])
        block = packets.metadata(packet, rng if self.chance(0.4) else None)
        payload = self.payload() if kind == "Command" or self.chance(0.2) else b""
        header = self.bad_header(packet) if self.chance(0.025) else packets.header(block)
        self.known[header] = packet
        return header + payload

    def bad_header(self, packet):
        packet.valid, block = False, packets.metadata(packet)
        what = self.rng.randrange(8)
        if what == 0:
            packet.absurd = "D20"
            return packets.header(b"", length=2**62 + self.rng.randrange(2**40))
        return (packets.header(block, version=2), packets.header(block, block_sum=1), packets.header(block, prefix_sum=1),
                packets.header(b""), packets.header(block.replace(b"\xa3seq", b"\xa3sec")),
                packets.header(block.replace(b"cmd_type", b"cmd_typo")), packets.header(block[:-3]))[what - 1]

    def prepared(self, seq):
        """By both programs, which must agree; the packet is that of one of them."""
        rng = self.rng
        payload, argv = self.payload(), []
        what = rng.choices(("prepare", "prepare-nop", "prepare-fail"), (10, 1, 1))[0]
        environment = {os.fsencode("FSPL_SET_" + name): self.octets().replace(b"\0", b"")
                       for name in rng.sample(["A", "B", "C=", "", "lower"], rng.randrange(4)) if "=" not in name}
        if what == "prepare":
            argv = ["-i", "-"] if self.chance(0.8) else []
            if self.chance(0.6):
                argv += ["--"] + [one.decode("ascii", "replace") for one in self.parameters()]
        made = []
        for program in self.programs:
            path = f"{self.place}/seq.{len(made)}"
            with open(path, "w") as file:
                file.write(f"{seq}\n")
            done = subprocess.run([program, what, "-s", path] + argv, input=payload, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, env={**self.environment, **environment, b"PATH": b"/usr/bin:/bin"})
            with open(path) as file:
                left = file.read()
            made.append((done.returncode, left, done.stdout))
        said = []
        for status, left, stored in made:
            packet = packets.read(stored) if stored else None
            body = stored[len(packets.header_of(stored)):]
            shape = packets.header(packets.metadata(packet)) == packets.header_of(stored) if packet else None
            said.append((status, left, packet and packet.replace(secs=0, nanos=0), shape, body))
        if said[0] != said[1]:
            self.differences.append(f"{what} {argv}: {said[0]} and {said[1]}")
        stored = rng.choice(made)[2]
        self.known[packets.header_of(stored)] = packets.read(stored)
        return stored

    def sealed(self, seq):
        payload, path = self.payload(), f"{self.place}/seq.sealed"
        with open(path, "w") as file:
            file.write(f"{seq}\n")
        stored = subprocess.run([self.programs[1], "prepare", "--seal", "-s", path, "-i", "-", "--", "of a sealed"],
                                input=payload, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                env={b"PATH": b"/usr/bin:/bin", b"TMPDIR": os.fsencode(self.place)}).stdout
        if not stored:  # without libsodium, or it is the real fspl
            return self.by_hand(seq)
        self.known[packets.header_of(stored)] = packets.read(stored).replace(sealed=payload)
        return stored

    # Files.

    def stored_for(self, plain):
        codings = DECODERS[self.decoder]
        if codings and codings[-1] != "base64" and self.chance(0.1):
            middle = self.rng.randrange(len(plain) + 1)
            return encode(plain[:middle], codings) + encode(plain[middle:], codings)
        return encode(plain, codings)

    def damaged(self, stored):
        what = self.rng.randrange(7)
        if what == 0:
            return stored[:self.rng.randrange(len(stored) + 1)]
        if what == 1:
            return stored[:max(0, len(stored) - self.rng.choice((1, 4, 8, 20)))]
        if what == 2:
            at = self.rng.randrange(len(stored)) if stored else 0
            return stored[:at] + bytes([(stored[at] if stored else 0) ^ 1 << self.rng.randrange(8)]) + stored[at + 1:]
        if what == 3:
            return stored + self.rng.choice((b"\0", b"\0" * 512, b"garbage", stored))
        if what == 4:
            return self.rng.choice((b"", b"\n", b"*FILESPOOLER", b"not a job file\n" * 9, bytes(4096)))
        return encode(stored, (self.rng.choice(("gzip", "base64")),))

    def make_name(self):
        if self.chance(0.12):
            return self.rng.choice(NAMES)
        return b"fspl-%08x-0000-4000-8000-%012x.fspl" % (self.rng.getrandbits(32), self.rng.getrandbits(48))

    def make_entries(self):
        rng, entries, seq = self.rng, [], self.base - 1
        for _ in range(rng.choices(range(9), (1, 1, 2, 3, 4, 5, 6, 6, 6))[0]):
            if self.chance(0.07):
                number = max(0, self.base - rng.randrange(1, 4))  # old
            elif self.chance(0.04) and seq >= self.base:
                number = seq  # another one of it
            elif self.chance(0.08):
                number = min(LAST, seq + rng.choice((7, 1000, LAST)))
            else:
                number = seq = min(LAST, seq + (1 if self.chance(0.93) else rng.choice((2, 3))))
            made = rng.random()
            if made < 0.2 and number < LAST:
                plain = self.prepared(number)
            elif made < 0.24 and number < LAST:
                plain = self.sealed(number)
            else:
                plain = self.by_hand(number)
            self.plain.append(self.damaged(plain) if self.chance(0.1) else plain)
            stored = self.stored_for(plain)
            if self.chance(0.06):
                stored = self.damaged(stored)
            elif self.decoder and self.chance(0.03):
                stored = plain
            entries.append(Entry(self.make_name(), stored))
            if self.chance(0.06):
                entries.append(Entry(self.make_name(), stored))  # a copy
        for entry in entries:
            if self.chance(0.03):
                entry.kind = "link"
        if self.chance(0.1):
            entries.append(Entry(self.make_name(), kind=rng.choice(("directory", "dangling", "loop", "fifo"))))
        for name in rng.sample(OTHER_NAMES, rng.choices((0, 1, 3), (6, 3, 1))[0]):
            entries.append(Entry(name, self.by_hand(self.base)))
        entries = list({entry.name: entry for entry in entries}.values())
        if entries and self.chance(0.08):
            entries.append(Entry(rng.choice(entries).name + b".out", b"from before\n"))
        rng.shuffle(entries)
        self.names = [entry.name for entry in entries]
        return entries

    def numbers(self):
        return sorted({packet.seq for packet in self.known.values() if packet.seq >= self.base}) or [self.base]

    def make_next(self):
        rng = self.rng
        number = self.base if self.chance(0.8) else rng.choice(self.numbers())
        if self.chance(0.04):
            return rng.choice((None, "", "\n", "junk\n", "-1\n", "18446744073709551616\n"))
        return rng.choices(("%d\n", "%d", "+%d\n", "00%d\n", " %d \r\n", "%d\nmore\n"), (30, 1, 1, 1, 1, 1))[0] % number

    # What is done.

    def make_steps(self):
        rng, steps = self.rng, []
        for _ in range(rng.randrange(3, 8)):
            what = rng.choices(("queue-ls", "queue-info", "queue-payload", "queue-get-next", "queue-set-next", "queue-process",
                                "stdin-info", "stdin-payload", "stdin-process"), (3, 2, 2, 1, 3, 14, 1, 1, 2))[0]
            if what.startswith("stdin"):
                step = Step(what, [what], stored=rng.choice(self.plain + [b""]))
            else:
                step = Step(what, [what, self.queue_option()])
            steps.append(getattr(self, what.replace("-", "_"))(step))
        # Some of the files come later.
        for _ in range(rng.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]):
            if len(self.entries) > 1:
                steps.insert(rng.randrange(len(steps)), Step("arrive", entry=self.entries.pop()))
        if self.chance(0.2):  # both work on one queue
            for step in steps:
                step.second_by_fspl = self.chance(0.4)
        for step in steps:
            step.locked = not self.append_only and step.what.endswith(("next", "process")) and self.chance(0.02)
        return steps

    def queue_option(self):
        return self.rng.choice(("-qq", "-qq", "--queuedir=q", "-q=q/", "-q./q"))

    def with_decoder(self, step):
        step.decoder = self.decoder if self.chance(0.94) else self.rng.choice((None, "cat", "gzip -dc", "zstd -dc"))
        if step.decoder is not None:
            step.argv += ["-d", step.decoder]
        return step

    def with_id(self, step):
        step.id = self.rng.choice(self.numbers() + [self.base])
        if self.chance(0.1):
            step.id = self.rng.randrange(self.base + 9)
        step.argv += [f"-j{step.id}"]
        return self.with_decoder(step)

    def queue_ls(self, step):
        return self.with_decoder(step)

    def queue_info(self, step):
        return self.with_id(step)

    def queue_payload(self, step):
        return self.with_id(step)

    def queue_get_next(self, step):
        return step

    def queue_set_next(self, step):
        step.argv.append(str(self.rng.choice(self.numbers() + [self.base, self.base, max(0, self.base - 2)])))
        return step

    def queue_process(self, step):
        rng = self.rng
        self.with_decoder(step)
        if self.chance(0.25):
            step.order = "Timestamp"
            step.argv += ["--order-by", rng.choice(("Timestamp", "timestamp"))]
        if self.chance(0.7):
            step.on_error = rng.choice(("Delete", "Leave", "Leave", "Retry"))
            step.argv.append(f"--on-error={step.on_error}")
        if self.chance(0.3):
            step.maxjobs = rng.choice((0, 1, 1, 2, 3))
            step.argv.append(f"-n{step.maxjobs}")
        if self.chance(0.2):
            step.never_delete = True
            step.argv.append("--never-delete")
        if self.chance(0.25):
            step.save = True
            step.argv += ["--output-to", rng.choice(("SaveBoth", "saveboth"))]
        return self.with_command(step)

    def stdin_info(self, step):
        return step

    def stdin_payload(self, step):
        return step

    def stdin_process(self, step):
        return self.with_command(step)

    def with_command(self, step):
        rng = self.rng
        if self.chance(0.4):
            step.argv.append("--allow-job-params")
        if self.chance(0.1):
            step.ignore_payload = True
            step.argv.append("--ignore-payload")
        if self.chance(0.05):
            step.argv += ["--timeout", "600"]
        step.missing = self.chance(0.02)
        step.argv.append("./missing" if step.missing else os.path.realpath(os.path.join(os.path.dirname(__file__), "../job")))
        if self.chance(0.5):
            step.argv += ["--", "-a", "two words", "", "--"][:rng.randrange(1, 6)]
        for name in self.names + [b"stdin"]:
            step.script[name] = [rng.choices(("read", "none", "head", "echo"), (14, 2, 2, 3))[0],
                                 "0" if self.chance(0.85) else rng.choice(STATUSES)]
        return step
