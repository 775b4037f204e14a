"""Job files made and read by hand, as docs/formats/job-file-format.md has them; beyond what a good writer would do."""
import dataclasses, zlib

MAGIC = b"*FILESPOOLER"
ARGUMENT_LIMIT = 131072  # of one string, for execve


@dataclasses.dataclass
class Packet:
    """What a header says. `absurd` is the defect of fspl that it would set off."""
    seq: int
    secs: int
    nanos: int
    kind: str = "Command"
    params: list = dataclasses.field(default_factory=list)
    env: list = dataclasses.field(default_factory=list)
    sealed: bytes = None  # the payload that was sealed
    valid: bool = True
    absurd: str = ""

    @property
    def unstartable(self):
        """No command can be given this."""
        strings = [b"FSPL_PARAM_1=" + one for one in self.params]
        strings += [b"FSPL_SET_" + name + b"=" + value for name, value in self.env]
        return self.kind == "Command" and any(b"\0" in one or len(one) >= ARGUMENT_LIMIT for one in strings)

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


def integer(value, rng=None):
    """The shortest form, or, given a source of chance, any that can hold it."""
    forms = [(0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)]
    signed = [(0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)]
    fits = [bytes([value & 0xFF])] if -32 <= value < 128 else []
    if value >= 0:
        fits += [bytes([mark]) + value.to_bytes(size, "big") for mark, size in forms if value < 1 << 8 * size]
    if value < 0 or rng:
        fits += [bytes([mark]) + value.to_bytes(size, "big", signed=True) for mark, size in signed
                 if -1 << 8 * size - 1 <= value < 1 << 8 * size - 1]
    return rng.choice(fits) if rng else fits[0]


def array(count, rng=None):
    if count < 16 and not (rng and rng.random() < 0.2):
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 65536 else b"\xdd" + count.to_bytes(4, "big")


def pairs(entries, rng=None):
    """A map, given as encoded keys and values."""
    count = len(entries)
    head = b"\xde" + count.to_bytes(2, "big") if rng and rng.random() < 0.2 else bytes([0x80 | count])
    return head + b"".join(key + value for key, value in entries)


def text(value, rng=None):
    return (b"\xd9" + bytes([len(value)]) if rng and rng.random() < 0.2 else bytes([0xA0 | len(value)])) + value.encode()


def octets(value, rng=None):
    return array(len(value), rng) + b"".join(integer(one) for one in value)


def metadata(packet, rng=None):
    """As a good writer writes it, or, given a source of chance, in any way that must be accepted."""
    def unknown(entries):
        if not rng:
            return entries
        for _ in range(rng.choice((0, 0, 1, 2))):
            value = rng.choice((b"\xc0", b"\xc3", b"\x92\x01\xa1x", b"\xc4\x02ab", b"\xcb" + bytes(8), b"\x81\x01\x90"))
            entries.append((text("future%d" % len(entries), rng), value))
        rng.shuffle(entries)
        return entries

    kind = text(packet.kind)
    if packet.kind == "Command":
        params = array(len(packet.params), rng) + b"".join(octets(one, rng) for one in packet.params)
        env = array(len(packet.env), rng) + b"".join(
            b"\x92" + octets(name, rng) + octets(value, rng) for name, value in packet.env)
        kind = pairs([(text("Command"), pairs(unknown([(text("params"), params), (text("env"), env)]), rng))])
    return pairs(unknown([(text("seq", rng), integer(packet.seq, rng)),
                          (text("ctime"), b"\x92" + integer(packet.secs, rng) + integer(packet.nanos, rng)),
                          (text("cmd_type"), kind)]), rng) + (b"more" if rng and rng.random() < 0.2 else b"")


def header(block, version=1, length=None, block_sum=None, prefix_sum=None):
    prefix = MAGIC + version.to_bytes(2, "big") + (len(block) if length is None else length).to_bytes(8, "big")
    prefix += (zlib.crc32(block) if block_sum is None else block_sum).to_bytes(4, "big")
    return prefix + (zlib.crc32(prefix) if prefix_sum is None else prefix_sum).to_bytes(4, "big") + block


def header_of(stored):
    """The bytes of the header with which this begins, if it does."""
    if not stored.startswith(MAGIC):
        return b""
    return stored[:30 + int.from_bytes(stored[14:22], "big")]


def value_at(block, at):
    """The MessagePack value at this place, and where it ends. Of what our writers write only."""
    mark, at = block[at], at + 1

    def number(size, signed=False):
        return int.from_bytes(block[at:at + size], "big", signed=signed), at + size

    def several(count, start):
        values = []
        for _ in range(count):
            value, start = value_at(block, start)
            values.append(value)
        return values, start

    if mark < 0x80:
        return mark, at
    if mark >= 0xE0:
        return mark - 256, at
    if mark < 0x90:
        flat, at = several(2 * (mark & 15), at)
        return dict(zip(flat[::2], flat[1::2])), at
    if mark < 0xA0:
        return several(mark & 15, at)
    if mark < 0xC0:
        return block[at:at + (mark & 31)].decode(), at + (mark & 31)
    if mark in (0xCC, 0xCD, 0xCE, 0xCF):
        return number(1 << mark - 0xCC)
    if mark in (0xD0, 0xD1, 0xD2, 0xD3):
        return number(1 << mark - 0xD0, signed=True)
    if mark in (0xC4, 0xD9):
        count, at = number(1)
        return block[at:at + count], at + count
    if mark in (0xDC, 0xDD):
        count, start = number(2 if mark == 0xDC else 4)
        return several(count, start)
    raise ValueError(f"marker {mark:#x}")


def read(stored):
    """The packet whose header this begins with, made by a program that is trusted to write good ones."""
    fields, _ = value_at(header_of(stored), 30)
    kind = fields["cmd_type"]
    packet = Packet(fields["seq"], *fields["ctime"], kind if isinstance(kind, str) else "Command")
    if packet.kind == "Command":
        packet.params = [bytes(one) for one in kind["Command"]["params"]]
        packet.env = [(bytes(name), bytes(value)) for name, value in kind["Command"]["env"]]
    return packet
