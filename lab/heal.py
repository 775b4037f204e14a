#!/usr/bin/env python3
"""heal.py - how hung pipelines are found and freed, to be run inside the guest with the bug.

  heal.py run N [-j AT_ONCE] [-a SECONDS] [-o OPTIONS]   N times `penstock run` with all prevention off
  heal.py prevented N [-j AT_ONCE]                       N times `penstock run` as it is by default
  heal.py foreign N [--user UID]                         N pipelines of a shell, hung; `penstock doctor --heal`

Every pipeline is `zstdcat FILE | rxpipe -f -c 5`, which hangs each time where the kernel has the bug. The bytes of each
are compared. Ends with one line: 'N pipelines, N nudged, N wrong, N late, N false, slowest N s'. PENSTOCK names the binary; rxpipe is in
$LABBIN or beside this file.
"""
import argparse, json, os, re, signal, subprocess, sys, tempfile, time

HERE = os.environ.get("LABBIN") or os.path.dirname(os.path.abspath(__file__))
RX = os.path.join(HERE, "rxpipe")
PENSTOCK = os.environ.get("PENSTOCK", "penstock")
BURN = ["-f", "-c", "5"]                        # grows the pipe once the writer sleeps on it
SLACK = 4                                       # seconds that finding and freeing may take beyond --stall-after


def payload(where):
    """A packed file, and what rxpipe prints of it."""
    plain, packed = where + "/plain", where + "/packed.zst"
    with open(plain, "wb") as f: f.write(os.urandom(3000000))
    subprocess.run(["zstd", "-q", plain, "-o", packed], check=True)
    with open(plain, "rb") as f: want = subprocess.run([RX, "-n"], stdin=f, stdout=subprocess.PIPE, check=True).stdout
    os.chmod(where, 0o755)
    return packed, want.decode().strip()


class Count:
    def __init__(self): self.all = self.nudged = self.wrong = self.late = self.false = 0; self.slowest = 0.0
    def line(self):
        return (f"{self.all} pipelines, {self.nudged} nudged, {self.wrong} wrong, {self.late} late, "
                f"{self.false} false, slowest {self.slowest:.0f} s")


def watched(n, at_once, command, want, limit, count, bound=None):
    """n times `command`, at_once side by side; what each says of its stall."""
    waiting, live = n, []
    while waiting or live:
        while waiting and len(live) < at_once:
            live.append((subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True),
                         time.monotonic()))
            waiting -= 1
        for p, start in list(live):
            if p.poll() is None:
                if time.monotonic() - start < limit: continue
                os.killpg(p.pid, signal.SIGKILL)
            live.remove((p, start))
            out, err = (x.decode() for x in p.communicate())
            count.all += 1
            if p.returncode != 0 or out.strip() != want:
                count.wrong += 1
                print("wrong:", p.returncode, out.strip(), err.strip(), flush=True)
            healed = re.search(r"bytes move again after (\d+) s", err)
            if healed:
                count.nudged += 1
                count.slowest = max(count.slowest, float(healed[1]))
                if bound is not None and float(healed[1]) > bound:
                    count.late += 1
                    print("late:", err.strip(), flush=True)
            if re.search(r"no byte has moved", err) and "R01" not in err:
                count.false += 1
                print("another verdict:", err.strip(), flush=True)
        time.sleep(0.05)


def cmd_run(args):
    ap = argparse.ArgumentParser(prog="heal.py run")
    ap.add_argument("n", type=int)
    ap.add_argument("-j", type=int, default=8)
    ap.add_argument("-a", "--stall-after", type=int, default=2)
    ap.add_argument("-o", "--options", default="--gate eof --pipe-size 65536")
    a = ap.parse_args(args)
    count = Count()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        packed, want = payload(tmp)
        command = [PENSTOCK, "run", "--stall-after", str(a.stall_after)] + a.options.split() + ["zstdcat", packed, "|", RX] + BURN
        watched(a.n, a.j, command, want, a.stall_after + 60, count, a.stall_after + SLACK)
    print(count.line())


def cmd_prevented(args):
    ap = argparse.ArgumentParser(prog="heal.py prevented")
    ap.add_argument("n", type=int)
    ap.add_argument("-j", type=int, default=8)
    a = ap.parse_args(args)
    count = Count()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        packed, want = payload(tmp)
        watched(a.n, a.j, [PENSTOCK, "run", "--stall-after", "2", "zstdcat", packed, "|", RX] + BURN, want, 60, count)
    print(count.line())


def asleep(pid):
    """Whether every thread sleeps, and none has run for a third of a second."""
    def look():
        seen = []
        for t in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{t}/status") as f: text = f.read()
            seen.append((t, re.search(r"State:\s+(\S)", text)[1], re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text)[1]))
        return seen
    before = look()
    time.sleep(0.3)
    return before == look() and all(state == "S" for _, state, _ in before)


def cmd_foreign(args):
    ap = argparse.ArgumentParser(prog="heal.py foreign")
    ap.add_argument("n", type=int)
    ap.add_argument("--user", type=int, help="run the pipelines and the doctor as this user")
    a = ap.parse_args(args)
    as_user = {} if a.user is None else {"user": a.user, "group": a.user, "extra_groups": []}
    count = Count()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        packed, want = payload(tmp)
        os.chmod(packed, 0o644)
        for _ in range(a.n):
            # A shell's pipe, made by the user whose pipeline it is: nobody else but root may reopen it.
            shell = subprocess.Popen(["bash", "-c", f"zstdcat {packed} | {RX} {' '.join(BURN)}"], stdout=subprocess.PIPE,
                                     start_new_session=True, **as_user)
            pid = hung_writer(shell.pid)
            if pid is None:
                count.wrong += 1
                print("it did not hang", flush=True)
                os.killpg(shell.pid, signal.SIGKILL)
                shell.communicate()
                continue
            said = subprocess.run([PENSTOCK, "doctor", "--json", "--interval", "1", str(pid)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, **as_user)
            try:
                first = json.loads(said.stdout)["findings"][0]
                good = (first["rule"], first["certainty"], first["culprit"]["comm"]) == ("R01", "certain", "zstdcat") and said.returncode == 1
            except (ValueError, LookupError):
                good = False
            if not good:
                count.false += 1
                print("another verdict:", said.returncode, said.stdout.decode(), said.stderr.decode(), flush=True)
            start = time.monotonic()
            healed = subprocess.run([PENSTOCK, "doctor", "--heal", "--interval", "1", str(pid)], stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, **as_user)
            try:
                out = shell.communicate(timeout=20)[0].decode().strip()
                count.nudged += 1
                count.slowest = max(count.slowest, time.monotonic() - start)
                if out != want:
                    count.wrong += 1
                    print("wrong bytes:", out, want, flush=True)
            except subprocess.TimeoutExpired:
                count.wrong += 1
                print("not freed:", healed.stdout.decode(), flush=True)
                os.killpg(shell.pid, signal.SIGKILL)
                shell.communicate()
            count.all += 1
    print(count.line())


def hung_writer(shell):
    """The pid of the shell's zstdcat that sleeps for good, or nothing after ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f: name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
                if name == "zstdcat" and int(rest.split()[1]) == shell and asleep(pid) and in_pipe_write(pid): return int(pid)
            except OSError:
                pass
        time.sleep(0.05)
    return None


def in_pipe_write(pid):
    for t in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/wchan") as f:
            if "pipe_write" in f.read(): return True
    return False


if __name__ == "__main__":
    chosen = len(sys.argv) > 1 and globals().get("cmd_" + sys.argv[1])
    if not chosen: sys.exit(__doc__)
    chosen(sys.argv[2:])
