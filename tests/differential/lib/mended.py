"""The real fspl, with its documented defects mended from outside.

Where Penstock is meant to differ (Dnn: docs/formats/fspl-behaviour.md, section 12), fspl is given the queue in which the
defect cannot show, and its outcome is put right in what is left (the exit status at a conflict, say). So what is allowed is
one other behaviour, not any: a job that Penstock must let fail is a Fail packet to fspl, a file that must be passed over is
not there.
"""
import collections, os, subprocess

from . import packet as packets
from .generator import DECODERS, LAST, encode


class Mended:
    """One run of fspl. After it: `outcome`, `allowed` (the Dnn that were met), `doomed` (files that fail behind their header,
    so that their command may have been started but must not have seen the end of its input), and `prefix`: that of stdout
    only the beginning can be compared."""

    def __init__(self, side, program, step, decoded, tried):
        """`tried`: which one of several copies Penstock goes on with, since it has counted its attempts."""
        self.tried = tried
        self.side, self.step, self.case = side, step, side.case
        self.allowed, self.doomed, self.prefix = collections.Counter(), set(), False
        self.undo, self.partners, self.nanos = [], {}, {}
        self.stops = []  # numbers at whose turn the run ends
        self.files = {}  # name: (Packet, what is behind the header, status of the decoder, as stored)
        if step.stored is not None:
            self.run_stdin(program)
            return
        for name, stored in side.job_files().items():
            if stored == "fifo":
                self.hide(name, "D23")
            elif stored is not None:
                plain, status = decoded(stored, step.decoder)
                packet, header = self.case.packet_of(plain)
                if packet and packet.absurd:
                    self.hide(name, packet.absurd)
                elif packet and packet.valid:
                    self.files[name] = packet, plain[len(header):], status, stored
        getattr(self, "before_" + step.what.replace("queue-", "").replace("-", "_"))()
        if self.case.stale and step.what == "queue-process":
            self.allow("D24")
        outs = self.outs() if step.save else {}
        begin = side.next_number()
        self.outcome = side.run(program, step, clean=True, locked=step.locked and step.what != "queue-get-next")
        end = side.next_number()
        self.after_process(begin, end, outs) if step.what == "queue-process" else self.after_others()
        for action in reversed(self.undo):
            action()

    def run_stdin(self, program):
        """One packet, on standard input."""
        side, step, stored = self.side, self.step, self.step.stored
        packet, header = self.case.packet_of(stored)
        process, altered = step.what == "stdin-process", False
        if self.case.stale and process:
            self.allow("D24")
        if packet and packet.absurd:
            self.allow(packet.absurd)
            stored = b""
        elif packet and packet.valid:
            altered = packet.sealed is not None and packet.sealed != stored[len(header):]
            if process and step.ignore_payload:
                self.allow("D25")
                stored = header
            elif process and altered:
                self.allow("D39")
                self.doomed.add(b"stdin")
                step.script[b"stdin"][0] = "read"
                stored = packets.header(packets.metadata(packet.replace(kind="Fail")))
        self.outcome = side.run(program, step, clean=True, stdin=stored)
        if step.what == "stdin-payload" and altered:
            self.allow("D39")
            self.outcome.status, self.prefix = 1, True

    # Tools.

    def allow(self, why):
        self.allowed[why] = 1

    def hide(self, name, why):
        """Let it not be there for the time of the run."""
        aside = self.side.place + b"/hidden/" + name
        os.rename(self.side.jobs + b"/" + name, aside)
        self.undo.append(lambda: self.give_back(name, aside))
        self.allow(why)

    def give_back(self, name, aside):
        partner = self.partners.get(name)
        if partner and not os.path.lexists(self.side.jobs + b"/" + partner):
            os.unlink(aside)
        else:
            os.rename(aside, self.side.jobs + b"/" + name)

    def stand_in(self, name, why, packet):
        """Let it be this packet instead, for the time of the run."""
        _, payload, status, stored = self.files[name]
        path, aside = self.side.jobs + b"/" + name, self.side.place + b"/hidden/" + name
        os.rename(path, aside)
        with open(path, "wb") as file:
            file.write(encode(packets.header(packets.metadata(packet)) + payload, DECODERS.get(self.step.decoder, ())))

        def put_back():
            os.rename(aside, path) if os.path.lexists(path) else os.unlink(aside)

        self.undo.append(put_back)
        self.files[name] = packet, payload, status, stored
        self.allow(why)

    def lend_number(self, content, why):
        own = self.side.next_content()
        self.side.set_next(content)
        self.undo.append(lambda: self.side.set_next(own))
        self.allow(why)

    def groups(self):
        """Names by number, those of one number by time and name."""
        groups = collections.defaultdict(list)
        for name in sorted(self.files, key=lambda name: (self.files[name][0].secs, self.files[name][0].nanos, name)):
            groups[self.files[name][0].seq].append(name)
        return groups

    def fails(self, name):
        """D01, D39: what is behind the header is not good to its end."""
        packet, payload, status, _ = self.files[name]
        if status != 0:
            return "D01"
        return "D39" if packet.sealed is not None and packet.sealed != payload else ""

    def outs(self):
        found = {}
        for name in os.listdir(self.side.jobs):
            path = self.side.jobs + b"/" + name
            if name.endswith(b".fspl.out") and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = os.stat(path).st_mtime_ns, file.read()
        return found

    # Before the run.

    def before_ls(self):
        pass

    def before_info(self):
        for number, names in self.groups().items():
            same = len({self.files[name][3] for name in names}) == 1
            if len(names) > 1 and (number != self.step.id or same):
                for name in names[1:] if number == self.step.id else names:
                    self.hide(name, "D09")

    def before_payload(self):
        self.before_info()

    def before_get_next(self):
        if self.step.locked:
            self.allow("D31")
        if self.side.next_content() is None and not self.case.append_only:
            self.lend_number(b"junk\n", "D17")

    def before_set_next(self):
        if self.side.next_number() is None and not self.case.append_only and not self.step.locked:
            self.lend_number(b"1\n", "D16" if self.side.next_content() is not None else "D17")
            self.undo.pop()

    def before_process(self):
        step = self.step
        if step.order == "Timestamp":
            if self.side.next_number() is None and not self.case.append_only:
                self.lend_number(b"1\n", "D16" if self.side.next_content() is not None else "D17")
        elif self.side.next_content() is None and not self.case.append_only:
            self.lend_number(b"junk\n", "D17")
        else:
            self.mend_numbers(self.side.next_number() or 0)
        for name, (packet, _, _, _) in list(self.files.items()):
            why = "" if step.ignore_payload else self.fails(name)
            if step.missing and packet.kind == "Command":
                # That is told first, whatever else is the matter.
                if packet.unstartable:
                    self.stand_in(name, "D11", packet.replace(params=[], env=[]))
            elif why:
                self.doomed.add(name)
                self.stand_in(name, why, packet.replace(kind="Fail"))
                step.script[name][0] = "read"
            elif packet.unstartable:
                self.stand_in(name, "D11", packet.replace(kind="Fail"))
        if step.order == "Timestamp":
            self.break_ties()

    def mend_numbers(self, begin):
        for number, names in self.groups().items():
            if number < begin:
                if len(names) > 1:
                    for name in names:
                        self.hide(name, "D09")
                        del self.files[name]
            elif number == LAST:
                self.stop_at(number, names, "D19")
            elif len({self.files[name][3] for name in names}) > 1:
                self.stop_at(number, names, "D09")
            else:
                first = self.tried if self.tried in names else names[0]
                for name in names:
                    if name != first:
                        self.hide(name, "D09")
                        self.partners[name] = first
                        del self.files[name]

    def stop_at(self, number, names, why):
        for name in names:
            self.hide(name, why)
            del self.files[name]
        self.stops.append(number)

    def break_ties(self):
        times = collections.defaultdict(list)
        for name, (packet, _, _, _) in self.files.items():
            times[packet.secs, packet.nanos].append((packet.seq, name))
        for tied in times.values():
            for index, (_, name) in enumerate(sorted(tied)):
                packet = self.files[name][0]
                if index > 0:
                    self.nanos[name] = b"FSPL_CTIME_NANOS=%d" % (packet.nanos + index), b"FSPL_CTIME_NANOS=%d" % packet.nanos
                    already = os.path.lexists(self.side.place + b"/hidden/" + name)
                    replacement = packet.replace(nanos=packet.nanos + index)
                    if already:
                        self.rewrite(name, replacement)
                    else:
                        self.stand_in(name, "D33", replacement)

    def rewrite(self, name, packet):
        """It is a stand-in by now."""
        with open(self.side.jobs + b"/" + name, "wb") as file:
            file.write(encode(packets.header(packets.metadata(packet)) + self.files[name][1],
                              DECODERS.get(self.step.decoder, ())))
        self.allow("D33")

    # After it.

    def after_process(self, begin, end, outs):
        if self.outcome.status == 0 and end in self.stops and self.step.order == "Sequence" \
                and (self.step.maxjobs is None or end - begin < self.step.maxjobs):
            self.outcome.status = 1
        for start in self.outcome.starts:
            shown, true = self.nanos.get(start.name, (b"", b""))
            start.variables = sorted(true if one == shown else one for one in start.variables)
        if self.step.missing and self.step.save:
            self.close_unopened(begin, outs)
        for path, (when, content) in outs.items():
            if content and os.stat(path).st_mtime_ns != when:
                with open(path, "rb") as file:
                    new = file.read()
                with open(path, "wb") as file:
                    file.write(content + b"--- attempt 2, 2000-\n" + new)
                self.allow("D26")

    def close_unopened(self, begin, outs):
        """Of a command that cannot be started the output is not opened."""
        turns = sorted((packet.seq if self.step.order == "Sequence" else (packet.secs, packet.nanos), name)
                       for name, (packet, _, _, _) in self.files.items() if packet.kind == "Command")
        for _, name in [turn for turn in turns if self.step.order == "Timestamp" or turn[0] >= (begin or 0)][:1]:
            path = self.side.jobs + b"/" + name + b".out"
            if path in outs:
                when, content = outs.pop(path)
                if os.stat(path).st_mtime_ns != when:
                    with open(path, "wb") as file:
                        file.write(content)
                    self.allow("D11")
            elif os.path.exists(path):
                os.unlink(path)
                self.allow("D11")

    def after_others(self):
        if self.step.what == "queue-ls":
            self.sort_rows()
        if self.step.what == "queue-payload" and self.outcome.status == 0:
            for name, (packet, _, _, _) in self.files.items():
                if packet.seq == self.step.id and self.fails(name):
                    self.allow(self.fails(name))
                    self.outcome.status, self.prefix = 1, True

    def sort_rows(self):
        ties = {name: number for number, names in self.groups().items() for name in names if len(names) > 1}
        if not ties:
            return
        self.allow("D33")
        heading, *rows = self.outcome.stdout.split(b"\n")[:-1]
        place = {name: index for index, name in enumerate(sorted(
            self.files, key=lambda name: (self.files[name][0].seq, self.files[name][0].secs, self.files[name][0].nanos, name)))}
        name_of = {row: name for row in rows for name in self.files if row.endswith(b" " + name)}
        if len(name_of) == len(rows):
            rows.sort(key=lambda row: place[name_of[row]])
        self.outcome.stdout = b"\n".join([heading, *rows]) + b"\n"


class Decoding:
    """What decoders make of files; each is asked once."""

    def __init__(self):
        self.made = {}

    def __call__(self, stored, decoder):
        if decoder in (None, "cat"):
            return stored, 0
        key = stored, decoder
        if key not in self.made:
            done = subprocess.run(["bash", "-o", "pipefail", "-c", decoder], input=stored, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  env={b"PATH": b"/usr/bin:/bin"})
            self.made[key] = done.stdout, done.returncode
        return self.made[key]
