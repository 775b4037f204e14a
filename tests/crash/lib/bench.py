"""What all rounds share: the binary, the command, and the job files."""
import os, subprocess, sys

from .place import JOBS
from .variants import CODING_OF, CODINGS

SUPPORT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../support"))
ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))


class Bench:
    def __init__(self, path):
        self.path = path
        self.penstock = os.path.realpath(os.environ.get("PENSTOCK", f"{ROOT}/build/release/bin/penstock"))
        if not os.access(self.penstock, os.X_OK):
            sys.exit(f"PENSTOCK is not an executable: {self.penstock}")
        version = subprocess.run([self.penstock, "-V"], capture_output=True, text=True).stdout
        self.ours = version.startswith("penstock")
        self.crash_job = path + "/crash_job"
        subprocess.run(["c++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-static", "-o", self.crash_job,
                        SUPPORT + "/crash_job.cc"], check=True)
        os.mkdir(path + "/packets")

    def packet(self, variant, number):
        """The job file, made at its first use."""
        coding = CODING_OF[variant.decoder]
        name = f"{self.path}/packets/{coding}-{variant.size}-{number}"
        if not os.path.exists(name):
            own = f"{name}.{os.getpid()}"  # another worker may be making it, too
            with open(own + ".seq", "w") as file:
                file.write(f"{number}\n")
            payload = subprocess.Popen([self.crash_job, "generate", str(number), str(variant.size)],
                                       stdout=subprocess.PIPE)
            plain = subprocess.Popen([self.penstock, "prepare", "-s", own + ".seq", "-i", "-"],
                                     stdin=payload.stdout, stdout=subprocess.PIPE)
            with open(own + ".new", "wb") as file:
                subprocess.run(CODINGS[coding], stdin=plain.stdout, stdout=file, check=True)
            payload.stdout.close()
            plain.stdout.close()
            if payload.wait() or plain.wait():
                sys.exit("cannot make a packet")
            # Whoever comes second must not replace it: link(2) of a file that is just being replaced fails.
            try:
                os.link(own + ".new", name)
            except FileExistsError:
                pass
            os.unlink(own + ".new")
        return name

    def warm_up(self, variants, jobs=JOBS):
        for variant in variants:
            for number in range(1, jobs + 1):
                self.packet(variant, number)
