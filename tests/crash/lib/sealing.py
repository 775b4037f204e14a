"""`seal` and `verify` with one failing call: a file is the old one or the sealed one, and nothing damaged is whole."""
import os, shutil, subprocess

from .failure import Failure
from .queue_run import PATIENCE
from .variants import SMALL, Variant

KINDS = ("seal", "verify", "verify damaged")


class SealedFile:
    """A job file in a directory of its own, as it is unsealed, sealed, and sealed and then altered."""

    def __init__(self, bench, name):
        self.bench, self.directory = bench, os.path.join(bench.path, name)
        os.mkdir(self.directory)
        self.path = self.directory + "/job.fspl"
        with open(bench.packet(Variant("single", SMALL, None, "plain"), 1), "rb") as file:
            self.unsealed = file.read()
        self.put(self.unsealed)
        if self.run("seal").returncode != 0:
            raise Failure("it cannot be sealed")
        self.sealed = self.content()
        self.damaged = self.sealed[:-1] + bytes([self.sealed[-1] ^ 1])

    def put(self, content):
        with open(self.path, "wb") as file:
            file.write(content)

    def content(self):
        with open(self.path, "rb") as file:
            return file.read()

    def run(self, command, wrapper=()):
        return subprocess.run([*wrapper, self.bench.penstock, command, self.path], capture_output=True, timeout=PATIENCE)


def check_seal(file, result, inject):
    content = file.content()
    if content not in (file.unsealed, file.sealed) or (result.returncode == 0 and content != file.sealed):
        raise Failure(f"status {result.returncode}, and the file has {len(content)} bytes of {len(file.unsealed)}")
    litter = [name for name in os.listdir(file.directory) if name != "job.fspl"]
    if litter and "unlink" not in inject:
        raise Failure(f"left beside it: {litter}")
    again = file.run("seal")
    if again.returncode != 0 or file.content() != file.sealed:
        raise Failure(f"the next one fails: {again.stderr!r}")


def sealing_fault(bench, name, wrapper, inject, kind):
    """Returns what the disturbed program said, or raises a Failure."""
    file = SealedFile(bench, name)
    before = {"seal": file.unsealed, "verify": file.sealed, "verify damaged": file.damaged}[kind]
    file.put(before)
    result = file.run(kind.split()[0], wrapper)
    said = result.stderr.decode(errors="replace")
    if "error while loading shared libraries" not in said:
        told = said + result.stdout.decode(errors="replace")
        if result.returncode not in (0, 1) or (result.returncode == 1 and not told):
            raise Failure(f"exit status {result.returncode}: {said!r}")
        if kind == "seal":
            check_seal(file, result, inject)
        elif file.content() != before:
            raise Failure("verify has changed the file")
        if kind == "verify damaged" and result.returncode == 0:
            raise Failure(f"a damaged file passes: {result.stdout!r}")
    shutil.rmtree(file.directory)
