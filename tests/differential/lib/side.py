"""One of the two copies of a queue, and a command run in it."""
import dataclasses, fcntl, hashlib, os, re, signal, stat, subprocess

PATIENCE = 60
JOB_FILE = re.compile(rb"fspl-.*\.fspl", re.DOTALL)


@dataclasses.dataclass
class Start:
    """A start of the command, as the command itself has told it."""
    name: bytes = b""
    argv: list = dataclasses.field(default_factory=list)
    variables: list = dataclasses.field(default_factory=list)
    payload: bytes = None
    ended: bool = False  # it has seen the end of its input


@dataclasses.dataclass
class Outcome:
    status: int
    stdout: bytes
    stderr: bytes
    starts: list


def digest(content):
    if len(content) < 200:
        return content
    return b"%d bytes, sha256 %s" % (len(content), hashlib.sha256(content).hexdigest().encode())


class Side:
    def __init__(self, place, case, outside):
        self.place, self.case = place, case
        self.queue, self.jobs = place + b"/q", place + b"/q/jobs"
        self.next, self.lock = self.queue + b"/nextseq", self.queue + b"/nextseq.lock"
        self.outside = outside
        os.makedirs(self.jobs)
        os.mkdir(place + b"/hidden")
        if not case.append_only:
            open(self.lock, "w").close()
            if case.next_text is not None:
                self.set_next(case.next_text.encode())
        for entry in case.entries:
            self.add(entry)
        self.runs = 0

    def add(self, entry):
        path = self.jobs + b"/" + entry.name
        if entry.kind == "directory":
            os.mkdir(path)
        elif entry.kind == "dangling":
            os.symlink(b"../nowhere", path)
        elif entry.kind == "loop":
            os.symlink(entry.name, path)
        elif entry.kind == "fifo":
            os.mkfifo(path)
        else:
            if entry.kind == "link":
                os.symlink(self.outside + b"/" + entry.name, path)
                path = self.outside + b"/" + entry.name
            with open(path, "wb") as file:
                file.write(entry.stored)

    def set_next(self, content):
        """None: let it be missing."""
        if content is None:
            if os.path.lexists(self.next):
                os.unlink(self.next)
            return
        with open(self.next, "wb") as file:
            file.write(content)

    def next_content(self):
        try:
            with open(self.next, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def next_number(self):
        """None if there is none that fspl would accept."""
        line = (self.next_content() or b"").split(b"\n")[0].strip()
        return int(line) if re.fullmatch(rb"\+?[0-9]+", line) and int(line) < 2**64 else None

    def job_files(self):
        """What the names of job files lead to: bytes, or None for what is no file, "fifo" for a FIFO."""
        found = {}
        for name in sorted(os.listdir(self.jobs)):
            if not JOB_FILE.fullmatch(name):
                continue
            path = self.jobs + b"/" + name
            try:
                mode = os.stat(path).st_mode
            except OSError:
                mode = 0
            found[name] = "fifo" if stat.S_ISFIFO(mode) else None
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    found[name] = file.read()
        return found

    def tree(self, loose=()):
        """What is left: kind and content of all but our own notes."""
        found = {}
        for directory, names, files in os.walk(self.queue):
            for name in names + files:
                path = directory + b"/" + name
                relative = os.path.relpath(path, self.queue)
                if relative.split(b"/")[0] == b"penstock" or name in loose:
                    continue
                mode = os.lstat(path).st_mode
                if stat.S_ISLNK(mode):
                    found[relative] = b"link to " + os.readlink(path)
                elif not stat.S_ISREG(mode):
                    found[relative] = b"of mode %o" % mode
                elif relative == b"nextseq.lock":
                    found[relative] = b"a file"
                else:
                    with open(path, "rb") as file:
                        content = file.read()
                    if name.endswith(b".out"):
                        content = re.sub(rb"(?m)^--- attempt \d+, \d{4}-.*$", b"--- attempt", content)
                    found[relative] = b"%o " % stat.S_IMODE(mode) + digest(content)
        return found

    def run(self, program, step, clean=False, locked=False, stdin=b""):
        """`clean`: without inherited variables. Of those that the command got only FSPL_ ones are looked at."""
        log, script = self.place + b"/log.%d" % self.runs, self.place + b"/script"
        self.runs += 1
        os.mkdir(log)
        if step.script:
            os.makedirs(script, exist_ok=True)
            for name, words in step.script.items():
                with open(script + b"/" + name, "w") as file:
                    file.write(" ".join(words) + "\n")
        environment = {b"PATH": b"/usr/bin:/bin", b"LC_ALL": b"C", b"DIFF_LOG": log, b"DIFF_SCRIPT": script,
                       **self.case.environment, **({} if clean else self.case.stale)}
        with open(self.place + b"/stdin", "wb") as file:
            file.write(stdin)
        held = os.open(self.lock, os.O_RDONLY) if locked else None
        if locked:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(self.place + b"/stdin", "rb") as file:
            child = subprocess.Popen([program] + step.argv, cwd=self.place, env=environment, start_new_session=True,
                                     stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            stdout, stderr = child.communicate()
            stderr += b"\n(the test) it did not end\n"
        finally:
            if child.returncode is None:  # the test is being ended
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if locked:
                os.close(held)
        return Outcome(child.returncode, stdout, stderr, self.starts(log))

    @staticmethod
    def starts(log):
        found = []
        names = os.listdir(log)
        for number in sorted(int(name) for name in names if b"." not in name):
            path = log + b"/%d" % number
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
            start = Start(ended=os.path.exists(path + b".end"))
            if len(words) > 2 and words[1].isdigit():
                count = int(words[1])
                start.name, start.argv = words[0], words[2:2 + count]
                start.variables = sorted(word for word in words[2 + count:] if word.startswith(b"FSPL_"))
            if os.path.exists(path + b".in"):
                with open(path + b".in", "rb") as file:
                    start.payload = digest(file.read())
            found.append(start)
        return found
