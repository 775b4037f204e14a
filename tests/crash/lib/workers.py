"""The rounds of a part, spread over processes."""
import json, os, select

from .processes import become_subreaper


def run_part(bench, part, play, rounds, seed, workers):
    """Workers on cores of their own, each a subreaper with queues of its own. Returns the reports."""
    readers = []
    for worker in range(workers):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(read)
                become_subreaper()
                pipe = os.fdopen(write, "w", buffering=1)

                def report(what, failure=None, **more):
                    pipe.write(json.dumps(dict(more, what=what, failure=failure)) + "\n")

                play(bench, rounds[worker::workers], seed, worker, report)
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)
        readers.append((pid, read))
    reports = []
    buffers = {read: b"" for _, read in readers}
    while buffers:
        for read in select.select(list(buffers), [], [])[0]:
            block = os.read(read, 65536)
            if not block:
                del buffers[read]
                os.close(read)
                continue
            *lines, buffers[read] = (buffers[read] + block).split(b"\n")
            for line in lines:
                reports.append(json.loads(line))
                if reports[-1]["failure"]:
                    print("FAILED", reports[-1]["what"], "-", reports[-1]["failure"], flush=True)
    for pid, _ in readers:
        if os.waitpid(pid, 0)[1] != 0:
            reports.append({"what": part, "failure": "a worker of the test died"})
    return reports
