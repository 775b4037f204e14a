"""What a program did to a directory, by strace: a list of steps for disk.Disk."""
import re, subprocess

from .disk import Inode

CALLS = ("openat,openat2,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,rename,renameat,renameat2,link,linkat,unlink,"
         "unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,fsync,fdatasync,sync_file_range,syncfs,copy_file_range,splice,"
         "sendfile,exit_group")
LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*?)>(?:\(deleted\))?)?(?: .*)?$")
FD = re.compile(r"^(AT_FDCWD|\d+)(?:<(.*?)>(\(deleted\))?)?$")


class Untraceable(Exception):
    pass


def command(log, inject=()):
    words = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-qq", "-o", log, "-e", f"trace={CALLS}"]
    for what in inject:
        words += ["-e", f"inject={what}"]
    return words


def text(hexed):
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), hexed)


def data(hexed):
    return bytes.fromhex(hexed.strip('"').replace("\\x", ""))


def lines(log):
    """Whole lines: what was interrupted by another process is put together where it ended."""
    begun = {}
    with open(log) as file:
        for line in file:
            line = line.rstrip("\n")
            pid = line.split(" ", 1)[0]
            if line.endswith("<unfinished ...>"):
                begun[pid] = line[:-len("<unfinished ...>")].rstrip()
                continue
            resumed = re.match(r"\d+ +<\.\.\. \w+ resumed>(.*)$", line)
            if resumed:
                line = begun.pop(pid) + resumed[1]
            yield line


def split(arguments):
    parts, depth, quoted, now = [], 0, False, ""
    for char in arguments:
        if char == '"':
            quoted = not quoted
        if not quoted:
            depth += char in "<[{"
            depth -= char in ">]}"
        if char == "," and depth == 0 and not quoted:
            parts.append(now.strip())
            now = ""
        else:
            now += char
    return parts + [now.strip()]


class Player:
    """Does the steps of a log to a disk. `root` is where the directory was; `outside` gets (path, bytes) of what was
    written to other places below `root`'s parent: what a command has done to the world."""

    def __init__(self, disk, root, outside):
        self.disk, self.root, self.outside = disk, root, outside
        self.nameless = {}  # O_TMPFILE: path as strace tells it -> Inode
        self.last = {}      # (pid, fd) -> path, as last seen
        self.offsets = {}   # (pid, path) -> where the next write goes

    def below(self, path):
        path = path.replace("//", "/")
        if path == self.root:
            return ""
        return path[len(self.root) + 1:] if path.startswith(self.root + "/") else None

    def fd(self, word, pid):
        found = FD.match(word)
        if not found:
            raise Untraceable(f"which descriptor is {word!r}?")
        path = text(found[2]) if found[2] else self.last.get((pid, found[1]))
        if found[2] and found[1] != "AT_FDCWD":
            self.last[(pid, found[1])] = path
        return path

    def path(self, at, word, pid):
        name = text(word.strip('"'))
        if name.startswith("/proc/self/fd/"):
            return self.last[(pid, name.rpartition("/")[2])]
        return name if name.startswith("/") else f"{self.fd(at, pid)}/{name}"

    def inode(self, path):
        from_nameless = self.nameless.get(path)
        if from_nameless is not None:
            return from_nameless
        below = self.below(path)
        return None if below is None else self.disk.find(below)

    def steps(self, log):
        """Does one step after the other; yields after each that changed anything."""
        for line in lines(log):
            found = LINE.match(line)
            if not found:
                continue
            pid, call, arguments, result, told = found.groups()
            if int(result) < 0:
                continue
            if self.do(pid, call, split(arguments), int(result), told and text(told), "(INJECTED)" in line):
                yield f"{call} {text(arguments)[:200]}"

    def do(self, pid, call, words, result, told, injected):
        if call in ("openat", "openat2"):
            return self.opened(pid, words, result, told)
        if call in ("fsync", "fdatasync"):
            inode = self.inode(self.fd(words[0], pid))
            if inode is None or injected:
                return False  # told to have succeeded, and not done: what a forgotten one would be
            self.disk.sync(inode)
            return True
        if call in ("write", "pwrite64"):
            return self.written(pid, call, words, result)
        if call == "ftruncate":
            inode = self.inode(self.fd(words[0], pid))
            if inode is None:
                return False
            self.disk.set_size(inode, int(words[1]))
            return True
        if call in ("linkat", "symlinkat", "renameat", "renameat2", "unlinkat", "mkdirat", "rename", "unlink", "mkdir"):
            return self.named(pid, call, words)
        if call == "fallocate" and words[1] == "FALLOC_FL_KEEP_SIZE":
            return False  # room, and no byte of the content
        if call == "exit_group":
            self.last = {key: value for key, value in self.last.items() if key[0] != pid}
            return False
        target = {"copy_file_range": 2, "splice": 2, "sendfile": 0}.get(call, 0)
        path = self.fd(words[target], pid) if FD.match(words[target]) else None
        if path and self.inode(path) is not None:
            raise Untraceable(f"{call} into {path}")
        return False

    def opened(self, pid, words, result, told):
        flags = words[2]
        if told is None:
            return False
        self.last[(pid, str(result))] = told
        self.offsets.pop((pid, told), None)
        if "O_TMPFILE" in flags:
            if self.below(told.rpartition("/")[0]) is not None:
                self.nameless[told] = Inode("file")
            return False
        below = self.below(told)
        if below is None or below == "":
            return False
        inode = self.disk.find(below)
        if inode is None and "O_CREAT" in flags:
            self.disk.link(below, Inode("file"))
            return True
        if inode is not None and "O_TRUNC" in flags and self.disk.size(inode) > 0:
            self.disk.set_size(inode, 0)
            return True
        return False

    def written(self, pid, call, words, result):
        path = self.fd(words[0], pid)
        if path is None:
            return False
        content = data(words[1])[:result]
        inode = self.inode(path)
        if inode is None:
            return self.outside(path, content)
        if call == "pwrite64":
            self.disk.write(inode, int(words[3]), content)
        else:
            offset = self.offsets.get((pid, path), 0)
            self.disk.write(inode, offset, content)
            self.offsets[(pid, path)] = offset + len(content)
        return True

    def named(self, pid, call, words):
        if call in ("rename", "unlink", "mkdir"):
            words = [part for word in words[:2 if call == "rename" else 1] for part in ("AT_FDCWD", word)]
        first = self.path(words[0], words[1], pid)
        if call == "unlinkat" or call == "unlink":
            if self.below(first) is None:
                return False
            self.disk.unlink(self.below(first))
        elif call in ("mkdirat", "mkdir"):
            if self.below(first) is None:
                return False
            self.disk.link(self.below(first), Inode("dir"))
        elif call == "symlinkat":
            second = self.path(words[1], words[2], pid)
            if self.below(second) is None:
                return False
            self.disk.link(self.below(second), Inode("link", target=text(words[0].strip('"'))))
        else:
            second = self.path(words[2], words[3], pid)
            if self.below(second) is None:
                return False
            if call == "linkat":
                self.disk.link(self.below(second), self.inode(first))
            else:
                self.disk.rename(self.below(first), self.below(second))
        return True


def traced(argv, log, inject=(), **more):
    return subprocess.run(command(log, inject) + argv, capture_output=True, **more)
