"""A kill storm: one queue is drained while its processor, its keeper, or both are killed again and again."""
import collections, os, random, re, signal, time

from .failure import Failure
from .kill import KILLS
from .processes import describe, end_all, left_behind, signal_to, wait_dead
from .queue_run import Run
from .storm_queue import StormQueue
from .variants import Variant

# Small jobs have payloads of every kind of way: none, one byte, a line, a block. With a decoder: held as a whole, and
# streamed with the last 64 KiB held.
SMALL_SIZES, DECODED_SIZES = (60, 0, 1, 700, 4096), (20_000, 65_536, 150_000, 400_000)
PLAIN = Variant("single", SMALL_SIZES, None, "plain")
DECODED = (Variant("single", DECODED_SIZES, "hold", "zstd"), Variant("single", DECODED_SIZES, "hold", "gzip"))
BATCH = 40            # jobs with a decoder that are in the queue at a time: each run decodes all their headers
PATIENCE = 120        # seconds until a run counts as hung
FIRST_SPAN = 0.2      # seconds that the first run is left in peace, at most, after its first job has begun


class Storm:
    """One queue under fire, and its figures. Jobs get as long between two kills as makes `kills` of them in all."""

    def __init__(self, bench, name, variant, jobs, kills, chance):
        batch = jobs if variant.decoder == "plain" else BATCH
        self.bench, self.variant, self.chance = bench, variant, chance
        self.jobs_a_kill = jobs / kills
        self.busy = 0  # seconds in which jobs ran
        self.queue = StormQueue(bench, name, variant, jobs, batch)
        self.queue.deliver()
        self.figures = collections.Counter()
        self.interrupted = None  # the job whose turn it was when the last run was killed

    def play(self):
        """Until the queue is empty; the last run is one that was not killed in time."""
        while self.queue.next() <= self.queue.jobs:
            if self.queue.next() > self.queue.delivered:
                self.queue.deliver()
            self.one_run()
        self.queue.check_end()
        self.figures["jobs"] = self.queue.jobs
        self.figures["starts"] = sum(self.queue.attempts.values())
        self.queue.remove()

    def one_run(self):
        run = Run(self.bench, self.queue, self.variant, ["--lock-wait", "10"], pause=0)
        try:
            kind = self.chance.choice(KILLS)
            killed = self.strike(run, kind)
            run.survivors_end(PATIENCE)
            self.check_run(run, kind, killed)
        except Failure as failure:
            raise Failure(f"{failure} (it said {run.said()[-2000:]!r})") from None
        finally:
            run.close()

    def strike(self, run, kind):
        """Kills at a random instant. False if the run was over before that."""
        self.await_instant(run)
        if "keeper" in kind:
            run.find_keeper()
        if wait_dead([run.pidfd], 0) or ("keeper" in kind and run.keeper is None):
            return False
        victims = [run.keeper if one == "keeper" else run.pidfd for one in kind.split(", ")]
        hit = signal_to(victims[0], signal.SIGKILL)
        if len(victims) == 2:
            time.sleep(0.05)
            signal_to(victims[1], signal.SIGKILL)
        if hit:
            self.figures[f"killed {kind}"] += 1
        return hit

    def await_instant(self, run):
        """One in ten anywhere from the first instruction on (the scan, recovery), the others while jobs run."""
        if self.chance.random() < 0.1:
            wait_dead([run.pidfd], self.chance.uniform(0, 0.1))
            return
        while not self.queue.log_has_grown() and not wait_dead([run.pidfd], 0.002):
            pass
        began = time.monotonic()
        wait_dead([run.pidfd], self.chance.uniform(0, self.span()))
        self.busy += time.monotonic() - began

    def span(self):
        """Seconds that a run is left in peace, at most, after its first job has begun: by how fast jobs were so far."""
        a_job = self.busy / self.queue.last if self.queue.last else 0
        return 2 * self.jobs_a_kill * a_job or FIRST_SPAN

    def check_run(self, run, kind, killed):
        """After each run: nobody is there, the lock is free, and what ran is what should have run."""
        rest = left_behind(5)
        if rest:
            self.excuse_stopped(rest, kind)
        if not self.queue.lock_is_free():
            raise Failure("the lock is held by nobody we know")
        status, said = run.process.returncode, run.said()
        if "processor" not in kind or not killed:
            check_words(status, said)
        if not killed and status != 0:
            raise Failure(f"a run that nobody killed ends with {status}")
        for number, attempt in self.queue.check_log(self.interrupted):
            self.figures["interrupted and run again"] += 1
            if self.bench.ours and not re.search(rf"job {number} .*running it again as attempt {attempt}\n", said):
                raise Failure(f"told nothing: job {number} ran as attempt {attempt}")
        self.figures["done before the crash, file removed"] += len(re.findall("was done before the crash", said))
        next_now = self.queue.next()
        if next_now not in (self.queue.last, self.queue.last + 1):
            raise Failure(f"nextseq is {next_now}, and job {self.queue.last} began last")
        if next_now > 1 and not os.path.exists(f"{self.queue.commits}/{next_now - 1}"):
            raise Failure(f"lost: nextseq is {next_now}, and the job before it is not done")
        self.figures["runs"] += 1
        if killed or self.interrupted != next_now:
            self.interrupted = next_now if killed else None

    def excuse_stopped(self, rest, kind):
        """Both were killed, the second one while it ended the job: what it had stopped by then stays stopped, and can
        commit nothing. That is no failure, unless it is frequent."""
        if "," not in kind or not all("[T]" in describe(pid) for pid in rest):
            raise Failure("left running: " + "; ".join(map(describe, rest)))
        end_all()
        self.figures["left stopped"] += 1
        if self.figures["left stopped"] > max(2, self.figures["runs"] // 50):
            raise Failure("too often left stopped")


def check_words(status, said):
    """Status 0 or 1; at status 1 one sentence of ours, beside those about what the run found after a crash."""
    ours = [line for line in said.splitlines() if line.startswith("penstock queue-process: ")
            and not re.search("running it again as attempt|was done before the crash", line)]
    if status not in (0, 1) or (status == 1 and len(ours) != 1):
        raise Failure(f"exit status {status} with {len(ours)} sentences")


def part_storm(bench, storms, seed, worker, report):
    """`storms` are (variant, jobs, kills)."""
    for variant, jobs, kills in storms:
        name = f"storm-{variant.decoder}"
        what = f"{name}: {jobs} jobs, seed {seed}"
        storm, begin = None, time.monotonic()
        try:
            storm = Storm(bench, name, variant, jobs, kills, random.Random(f"{seed} {name}"))
            storm.play()
            report(what, figures=dict(storm.figures, seconds=time.monotonic() - begin))
        except Failure as failure:
            report(what, str(failure), figures=dict(storm.figures if storm else {}))
            end_all()
