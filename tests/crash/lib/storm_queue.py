"""The queue of a kill storm: its job files, made here and by no program under test, and its log, read as it grows."""
import collections, os, struct, subprocess, zlib

from .failure import Failure
from .place import Place
from .variants import CODING_OF

COMPRESS = {"plain": None, "zstd": ["zstd", "-q1", "--rm"], "gzip": ["gzip", "-1"]}
ENDING = {"zstd": ".zst", "gzip": ".gz"}
CREATED = 1_700_000_000


def header(number):
    """As in docs/formats/job-file-format.md: a command without parameters."""
    metadata = (b"\x83\xa3seq\xcf" + struct.pack(">Q", number) + b"\xa5ctime\x92\xce" + struct.pack(">I", CREATED) + b"\x00"
                + b"\xa8cmd_type\x81\xa7Command\x82\xa6params\x90\xa3env\x90")
    prefix = b"*FILESPOOLER" + struct.pack(">HQI", 1, len(metadata), zlib.crc32(metadata))
    return prefix + struct.pack(">I", zlib.crc32(prefix)) + metadata


class StormQueue(Place):
    """`jobs` jobs, of which `batch` at most are in the queue at a time; job N has the (N modulo count)th of its variant's sizes."""

    def __init__(self, bench, name, variant, jobs, batch):
        super().__init__(bench, name, variant, jobs=0)
        self.jobs, self.batch = jobs, batch
        self.delivered = 0
        self.crash_job = bench.crash_job
        self.offset = 0                              # of the log, as far as it was read
        self.attempts = collections.Counter()        # of each job, how often its command began
        self.last = 0                                # the job that began last

    def deliver(self):
        """The next batch, once all that was delivered has had its turn. Names are not in the order of the numbers."""
        first, last = self.delivered + 1, min(self.jobs, self.delivered + self.batch)
        work = self.path + "/making"
        os.mkdir(work)
        subprocess.run([self.crash_job, "generate-all", work, str(first), str(last), *map(str, self.variant.size)], check=True)
        for number in range(first, last + 1):
            with open(f"{work}/{number}", "r+b") as file:
                payload = file.read()
                file.seek(0)
                file.write(header(number) + payload)
        coding = CODING_OF[self.variant.decoder]
        if COMPRESS[coding]:
            files = [f"{work}/{number}" for number in range(first, last + 1)]
            subprocess.run([*COMPRESS[coding], *files], check=True)
        for number in range(first, last + 1):
            uuid = "%08x-0000-4000-8000-%012d" % (number * 2654435761 % 2**32, number)
            os.rename(f"{work}/{number}{ENDING.get(coding, '')}", f"{self.queue}/jobs/fspl-{uuid}.fspl")
        os.rmdir(work)
        self.delivered = last

    def size(self, number):
        return self.variant.size[number % len(self.variant.size)]

    def log_has_grown(self):
        try:
            return os.stat(self.commits + "/log").st_size > self.offset
        except FileNotFoundError:
            return False

    def read_log(self):
        """What commands have written since the last time: lists of words."""
        try:
            with open(self.commits + "/log", "rb") as file:
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[:text.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [line.split() for line in whole.decode().splitlines()]

    def check_log(self, interrupted):
        """In order, one at a time, and none again but `interrupted`, the job whose turn it was at the last kill, once.

        Returns (number, attempt) of each command that was told of an earlier attempt.
        """
        again = []
        for word, number, *rest in self.read_log():
            number = int(number)
            if word == "overlap":
                raise Failure(f"overlap: job {number} began while another one ran")
            if word == "descriptor":
                raise Failure(f"leak: a command was given descriptor {number}")
            if word == "commit":
                if rest != [str(self.size(number)), "good"]:
                    raise Failure(f"false commit: job {number}: {' '.join(rest)}")
                continue
            attempt, previous = int(rest[0]), rest[1]
            if number not in (self.last, self.last + 1):
                raise Failure(f"order: job {number} began after job {self.last}")
            is_again = self.attempts[number] > 0
            if (is_again or attempt > 1) and number != interrupted:
                raise Failure(f"repeated: job {number} began again, and job {interrupted} was in flight")
            if is_again and (attempt < 2 or previous != "interrupted"):
                raise Failure(f"told nothing: job {number} ran again as attempt {attempt}, previous '{previous}'")
            if attempt > 1:
                again.append((number, attempt))
                interrupted = None
            self.attempts[number] += 1
            self.last = number
        return again
