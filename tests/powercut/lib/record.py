"""The run record in nextseq.lock (docs/design/spool.md), moved to another boot and other inode numbers: a tree that was
written anew cannot have the old ones."""
import re, subprocess, time

BOOT = "00000000-0000-4000-8000-before0thecut"


def checksum(data):
    hashed = 0xcbf29ce484222325
    for byte in data:
        hashed = (hashed ^ byte) * 0x100000001b3 % 2**64
    return hashed


def is_whole(line):
    found = re.match(rb"(penstock-run 1 .*) check=(\d+) *\n$", line, re.DOTALL)
    return bool(found) and checksum(found[1]) == int(found[2])


def birth_of(path):
    """Seconds and nanoseconds, as the record has them."""
    seconds, text = subprocess.run(["stat", "-c", "%W %w", path], capture_output=True, text=True).stdout.split(" ", 1)
    fraction = re.search(r"\.(\d{9})", text)
    return f"{seconds}.{int(fraction[1]) if fraction else 0}"


def moved(line, numbers, sequence):
    """`numbers`: old inode number -> new one; `sequence`: the new nextseq. What is not a whole record stays as it is."""
    if not is_whole(line):
        return line
    body = line[:line.rindex(b" check=")]
    words = body.split(b" ")
    for i, word in enumerate(words):
        key, sign, value = word.partition(b"=")
        if key == b"boot":
            value = BOOT.encode()
        elif key in (b"nextseq", b"inode"):
            # Whoever has gone has a number that nobody has.
            value = str(numbers.get(int(value), 1)).encode()
        elif key == b"born":
            value = birth_of(sequence).encode()
        elif key == b"before":
            # All that lies there was there before the run; writing it anew has made it younger.
            value = b"%d.0" % (int(time.time()) + 3600)
        words[i] = key + sign + value
    body = b" ".join(words)
    whole = body + b" check=%d" % checksum(body)
    return whole.ljust(-(-(len(whole) + 1) // 512) * 512 - 1) + b"\n"
