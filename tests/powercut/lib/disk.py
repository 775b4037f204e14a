"""A disk as POSIX allows it to be after a power cut: what was synced is there; of the rest anything may be.

A model, not a file system: it knows files, folders and links below one directory. What was done to it since the last sync
is a list of *atoms*, each of which reached the disk or did not, whatever became of the others:

  bytes    up to one sector of a file's content (a sector is old or new, never half of each)
  size     a file's new length: bytes and length may arrive apart
  name     a name that now leads to a file, or to nothing

A sync of a file settles its bytes and its length, and not its name; a sync of a directory settles the names in it, and not
what they lead to. (File systems promise more; whoever relies on less is safe on all of them.)
"""
import os, random

SECTOR = 512


class Inode:
    def __init__(self, kind, data=b"", target=None):
        self.kind = kind  # "file", "dir", "link"
        self.data = data
        self.target = target
        self.names = {}  # of a directory: name -> inode


class Atom:
    def __init__(self, inode, kind, **what):
        self.inode, self.kind = inode, kind
        self.__dict__.update(what)

    def __repr__(self):
        what = {key: value for key, value in self.__dict__.items() if key not in ("inode", "kind", "to", "number")}
        return f"{self.kind}{what}"


class Disk:
    """Both what a program sees (everything done) and what is still on the way to the disk."""

    def __init__(self):
        self.root = Inode("dir")
        self.pending = []  # atoms, oldest first; a name and its partner in a rename share `group`
        self.seen = {}  # what a program sees: directory -> its names
        self.sizes = {}
        self.groups = 0

    # -- what a program sees

    def find(self, path):
        inode = self.root
        for part in [part for part in path.split("/") if part]:
            inode = self.names(inode).get(part)
            if inode is None:
                return None
        return inode

    def names(self, directory):
        return self.seen.setdefault(id(directory), dict(directory.names))

    def place(self, path):
        folder, _, name = path.rstrip("/").rpartition("/")
        directory = self.find(folder)
        if directory is None:
            raise LookupError(f"no folder for {path!r}")
        return directory, name

    def size(self, inode):
        return self.sizes.get(id(inode), len(inode.data))

    # -- what a program does

    def new_group(self):
        self.groups += 1
        return self.groups

    def link(self, path, inode, group=None):
        directory, name = self.place(path)
        self.names(directory)[name] = inode
        self.pending.append(Atom(directory, "name", name=name, to=inode, group=group or self.new_group()))

    def unlink(self, path, group=None):
        directory, name = self.place(path)
        inode = self.names(directory).pop(name)
        self.pending.append(Atom(directory, "name", name=name, to=None, group=group or self.new_group()))
        return inode

    def rename(self, old, new):
        # Within one directory a rename is one change of it; between two it is two.
        group = self.new_group()
        apart = self.place(old)[0] is not self.place(new)[0]
        self.link(new, self.find(old), group)
        self.unlink(old, self.new_group() if apart else group)

    def write(self, inode, offset, data):
        for start in range(offset - offset % SECTOR, offset + len(data), SECTOR):
            begin, end = max(start, offset), min(start + SECTOR, offset + len(data))
            if begin < end:
                piece = data[begin - offset:end - offset]
                self.pending.append(Atom(inode, "bytes", at=begin, data=piece, group=self.new_group()))
        if offset + len(data) > self.size(inode):
            self.set_size(inode, offset + len(data))

    def set_size(self, inode, size):
        self.sizes[id(inode)] = size
        self.pending.append(Atom(inode, "size", size=size, group=self.new_group()))

    def sync(self, inode):
        """All that is on its way to this file, or to this directory, is there now."""
        mine = [atom for atom in self.pending if atom.inode is inode]
        self.pending = [atom for atom in self.pending if atom.inode is not inode]
        apply(mine)

    # -- what a power cut may leave

    def choices(self, most, rng):
        """Sets of pending groups that reached the disk: all of them if they are few, otherwise none, all, each alone,
        all but each, each beginning, and some by chance."""
        groups = sorted({atom.group for atom in self.pending})
        if 2 ** len(groups) <= most:
            for bits in range(2 ** len(groups)):
                yield frozenset(group for i, group in enumerate(groups) if bits >> i & 1)
            return
        some = {frozenset(), frozenset(groups)}
        for i, group in enumerate(groups):
            some |= {frozenset([group]), frozenset(groups) - {group}, frozenset(groups[:i])}
        some = sorted(some, key=sorted)
        rng.shuffle(some)
        while len(some) < most:
            some.append(frozenset(group for group in groups if rng.random() < 0.5))
        yield from some[:most]

    def after_cut(self, arrived):
        """(path -> ("file", bytes, inode) | ("dir",) | ("link", target)), as the next boot finds it."""
        contents, names = {}, {}
        for atom in self.pending:
            if atom.group not in arrived:
                continue
            if atom.kind == "name":
                folder = names.setdefault(id(atom.inode), dict(atom.inode.names))
                if atom.to is None:
                    folder.pop(atom.name, None)
                else:
                    folder[atom.name] = atom.to
            else:
                data = contents.get(id(atom.inode), atom.inode.data)
                contents[id(atom.inode)] = apply_to(data, atom)
        found = {}

        def walk(directory, path):
            for name, inode in names.get(id(directory), directory.names).items():
                if inode.kind == "dir":
                    found[path + name] = ("dir",)
                    walk(inode, path + name + "/")
                elif inode.kind == "link":
                    found[path + name] = ("link", inode.target)
                else:
                    found[path + name] = ("file", visible(contents.get(id(inode), inode.data)), inode)
        walk(self.root, "")
        return found


class Blocks(bytes):
    """Content that reached the disk beyond the length that did: there if the length comes to cover it."""
    size = 0


def blocks(data, size):
    made = Blocks(data)
    made.size = size
    return made


def visible(data):
    return bytes(data[:data.size]) if isinstance(data, Blocks) else data


def apply_to(data, atom):
    size = data.size if isinstance(data, Blocks) else len(data)
    if atom.kind == "bytes":
        held = bytes(data).ljust(atom.at, b"\0")
        return blocks(held[:atom.at] + atom.data + held[atom.at + len(atom.data):], size)
    held = bytes(data)[:atom.size] if atom.size < size else bytes(data)
    return blocks(held.ljust(atom.size, b"\0"), atom.size)


def apply(atoms):
    for atom in atoms:
        if atom.kind == "name":
            if atom.to is None:
                atom.inode.names.pop(atom.name, None)
            else:
                atom.inode.names[atom.name] = atom.to
        else:
            atom.inode.data = apply_to(atom.inode.data, atom)
    for inode in {id(atom.inode): atom.inode for atom in atoms if atom.kind != "name"}.values():
        inode.data = visible(inode.data)


def read_tree(path):
    """A disk as it is below `path` now, all of it settled; and inode number -> Inode."""
    disk, by_number = Disk(), {}

    def read(folder, directory):
        for entry in os.scandir(folder):
            if entry.is_symlink():
                inode = Inode("link", target=os.readlink(entry.path))
            elif entry.is_dir():
                inode = Inode("dir")
                read(entry.path, inode)
            else:
                number = entry.stat().st_ino
                if number not in by_number:
                    with open(entry.path, "rb") as file:
                        by_number[number] = Inode("file", file.read())
                inode = by_number[number]
            directory.names[entry.name] = inode
    read(path, disk.root)
    return disk, by_number


def write_tree(path, found):
    """Makes `found` real; gives Inode -> the number that it got."""
    os.mkdir(path)
    made, numbers = {}, {}
    for name, (kind, *rest) in sorted(found.items()):
        place = f"{path}/{name}"
        if kind == "dir":
            os.mkdir(place)
        elif kind == "link":
            os.symlink(rest[0], place)
        elif id(rest[1]) in made:
            os.link(made[id(rest[1])], place)
        else:
            with open(place, "wb") as file:
                file.write(rest[0])
            made[id(rest[1])] = place
            numbers[id(rest[1])] = os.stat(place).st_ino
    return numbers


def rng_of(*words):
    return random.Random("/".join(map(str, words)))
