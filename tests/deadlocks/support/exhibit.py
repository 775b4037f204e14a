"""What the exhibits share: starting stages, waiting until /proc shows that they sleep where they should, saying so in
one line of JSON, and ending everything.

The stages live in a session of their own and get no descriptor but those named. The exhibit is a subreaper: whoever
loses his parent becomes its child, so at the end it can find them all.
"""
import atexit, ctypes, fcntl, json, os, signal, subprocess, sys, tempfile, time

LIMIT = 20.0  # seconds that a deadlock may take to stand
PYTHON = "/usr/bin/python3"
SUPPORT = os.path.dirname(os.path.abspath(__file__))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
F_SETPIPE_SZ, F_GETPIPE_SZ, FIONREAD = 1031, 1032, 0x541B

PIPE_READ = ("pipe_read", "pipe_wait_readable")
PIPE_WRITE = ("pipe_write", "pipe_wait_writable")

folder = os.environ.get("MUSEUM_DIR")
_made_folder = None
if not folder:
    folder = _made_folder = tempfile.mkdtemp(prefix="museum.")
os.chdir(folder)

os.environ["MUSEUM_MARK"] = _mark = f"{os.getpid()}.{time.monotonic_ns()}"  # by which orphans are known

_group = None  # of the pipeline
_children = {}  # pid -> Popen
_at_end = []


def skip(reason):
    """It cannot be staged here; the runner counts it as skipped."""
    print(json.dumps({"skip": reason}), flush=True)
    sys.exit(0)


def need(*programs):
    from shutil import which
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for program in programs:
        if not which(program, path=path):
            skip(f"no {program}")


def need_root():
    if os.geteuid() != 0:
        skip("needs root")


def at_end(function):
    """Called before the processes are killed; the last one registered first."""
    _at_end.append(function)


def orphans_leave():
    """Orphans go to init, as they do outside a container; `ours` still finds them."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


# --- what /proc says ---------------------------------------------------------------------------------------------


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


def stat(pid):
    """(comm, [state, ppid, pgrp, …]); nothing if it is gone."""
    line = read(f"/proc/{pid}/stat")
    if not line:
        return None
    return line[line.index("(") + 1:line.rindex(")")], line[line.rindex(")") + 2:].split()


def state(pid):
    fields = stat(pid)
    return fields[1][0] if fields else ""


def comm(pid):
    fields = stat(pid)
    return fields[0] if fields else ""


def threads(pid):
    try:
        return sorted(int(t) for t in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return []


def sleeps_in(pid, *places):
    """Whether some thread of it sleeps in a kernel function whose name contains one of `places`."""
    for tid in threads(pid):
        status = stat(f"{pid}/task/{tid}")
        if status and status[1][0] in "SDtT":
            where = read(f"/proc/{pid}/task/{tid}/wchan")
            if any(place in where for place in places):
                return True
    return False


def in_call(pid, number, fd=None):
    """Whether some thread of it is in this system call (x86-64 number), with this first argument."""
    for tid in threads(pid):
        words = read(f"/proc/{pid}/task/{tid}/syscall").split()
        if words and words[0] == str(number) and (fd is None or int(words[1], 16) == fd):
            return True
    return False


def all_stats():
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields:
                yield int(name), fields


def children(pid):
    return [p for p, fields in all_stats() if int(fields[1][1]) == pid]


def descendants(pid):
    table = list(all_stats())
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for p, fields in table:
            if int(fields[1][1]) == parent:
                found.append(p)
                todo.append(p)
    return found


def ours():
    """Everybody we have brought into the world."""
    mark = f"MUSEUM_MARK={_mark}\0"
    is_ours = lambda p: mark in read(f"/proc/{p}/environ") or folder in read(f"/proc/{p}/cmdline")
    orphans = [p for p, fields in all_stats() if int(fields[1][1]) <= 1 and is_ours(p)]
    return descendants(os.getpid()) + orphans + [p for orphan in orphans for p in descendants(orphan)]


def find(name):
    """The pids of ours whose comm is `name`, the oldest first."""
    return [p for p in sorted(ours()) if comm(p) == name and state(p) not in "ZX"]


def queued(fd):
    buffer = ctypes.c_int(0)
    libc.ioctl(fd, ctypes.c_ulong(FIONREAD), ctypes.byref(buffer))
    return buffer.value


def until(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            print(f"{os.path.basename(sys.argv[0])}: it did not come about: {what}", file=sys.stderr)
            for pid in ours():
                print(f"  {pid} {comm(pid)} {state(pid)} {read(f'/proc/{pid}/wchan')} "
                      f"{read(f'/proc/{pid}/cmdline')[:80]!r}", file=sys.stderr)
            sys.exit(1)
        time.sleep(0.01)


def until_asleep(pid, *places):
    until(lambda: sleeps_in(pid, *places), f"{pid} ({comm(pid)}) asleep in {' or '.join(places)}")


def until_rested(pid, seconds, limit=LIMIT):
    """Until it has not run for so long: below a second, waiting for a disk or a server is nothing to speak of."""
    switches = lambda: [read(f"/proc/{pid}/task/{t}/status").split("voluntary_ctxt_switches:")[1] for t in threads(pid)]
    begin, since = switches(), time.monotonic()

    def rested():
        nonlocal begin, since
        if switches() != begin:
            begin, since = switches(), time.monotonic()
        return time.monotonic() - since >= seconds
    until(rested, f"{pid} ({comm(pid)}) rests", limit)


def until_dead(pid):
    until(lambda: state(pid) in ("Z", ""), f"{pid} is dead")


# --- staging -----------------------------------------------------------------------------------------------------


def pipe(size=None, flags=0):
    """(read end, write end), both close-on-exec."""
    r, w = os.pipe2(os.O_CLOEXEC | flags)
    if size:
        fcntl.fcntl(w, F_SETPIPE_SZ, size)
    return r, w


def start(argv, stdin=None, stdout=None, stderr=None, keep=(), apart=False, env=None, close=True, **more):
    """One stage; its pid. It joins the pipeline's process group, or, `apart`, opens a session of its own. What it was
    given is closed here afterwards."""
    global _group
    argv = [str(a) for a in argv]
    null = subprocess.DEVNULL
    options = dict(stdin=null if stdin is None else stdin, stdout=null if stdout is None else stdout,
                   stderr=null if stderr is None else stderr, pass_fds=keep, env=env, **more)
    if apart:
        child = subprocess.Popen(argv, start_new_session=True, **options)
    else:
        try:
            child = subprocess.Popen(argv, process_group=_group or 0, **options)
        except PermissionError:  # that group has died out
            _group = None
            child = subprocess.Popen(argv, process_group=0, **options)
        _group = _group or child.pid
    _children[child.pid] = child
    if close:
        for fd in {f for f in (stdin, stdout, stderr, *keep) if isinstance(f, int) and f > 2}:
            os.close(fd)
    return child.pid


def python(code, *args, **more):
    """A stage that is a few lines of Python."""
    return start([PYTHON, "-c", "import os, sys, time, signal, fcntl, subprocess\n" + code, *args], **more)


def reap(pid):
    """Waits for the end of one that we started; its exit status."""
    until_dead(pid)
    return _children.pop(pid).wait()


def c_program(source, name):
    """Compiles support/SOURCE.c (or takes what the runner has compiled) and gives it this name."""
    from shutil import copy
    os.makedirs("bin", exist_ok=True)
    made = os.path.join("bin", name)
    ready = os.path.join(os.environ.get("MUSEUM_BIN", ""), source)
    if os.environ.get("MUSEUM_BIN") and os.path.exists(ready):
        copy(ready, made)
    else:
        need("cc")
        subprocess.run(["cc", "-O1", "-o", made, os.path.join(SUPPORT, source + ".c")], check=True)
    return os.path.abspath(made)


def penstock():
    """The binary under test."""
    binary = os.environ.get("PENSTOCK") or os.path.join(SUPPORT, "../../../build/release/bin/penstock")
    if not os.access(binary, os.X_OK):
        skip(f"no executable at {binary}")
    return os.path.abspath(binary)


def gpg_home():
    """A directory for gpg alone, short enough for its socket; its agent ends with us."""
    need("gpg", "gpg-agent", "gpgconf")
    home = tempfile.mkdtemp(prefix="gpg.", dir="/tmp")
    env = {**os.environ, "GNUPGHOME": home, "LC_ALL": "C"}
    env.pop("GPG_TTY", None)

    def end():
        subprocess.run(["gpgconf", "--kill", "all"], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        for p, _ in all_stats():  # it may have left us
            if home in read(f"/proc/{p}/environ") and p != os.getpid():
                kill(p)
        subprocess.run(["rm", "-rf", home])
    at_end(end)
    return env


# --- the end -----------------------------------------------------------------------------------------------------


def kill(pid):
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(fd)


_ended = False


def end_all():
    global _ended
    if _ended:
        return
    _ended = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for function in reversed(_at_end):
        try:
            function()
        except Exception as problem:  # the killing below must happen all the same
            print(f"{sys.argv[0]}: at the end: {problem}", file=sys.stderr)
    end = time.monotonic() + LIMIT
    while True:
        left = ours()
        for pid in left:
            kill(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if not left:
            break
        if time.monotonic() > end:
            print(f"{sys.argv[0]}: could not end {left}", file=sys.stderr)
            break
        time.sleep(0.005)
    os.chdir("/")
    if _made_folder:
        subprocess.run(["rm", "-rf", _made_folder])


def stands(culprit, watch, severity="stuck", also=(), rule=None, **more):
    """The deadlock stands: says so and waits for the end of stdin, or TERM.

    culprit: a pid, or several of which any will do (0: nobody on this machine). watch: whom the doctor is told.
    also: rules that may be found besides, whomever they blame. moving=True: something moves on purpose.
    """
    as_list = lambda x: list(x) if isinstance(x, (list, tuple)) else [x]
    print(json.dumps({"rule": rule or RULE, "severity": severity, "culprit": culprit, "watch": as_list(watch),
                      "also": list(also), **more}), flush=True)
    while True:
        try:
            if not os.read(0, 4096):
                break
        except InterruptedError:
            pass
    sys.exit(0)


RULE = os.path.basename(sys.argv[0]).split("-")[0].upper()
atexit.register(end_all)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
