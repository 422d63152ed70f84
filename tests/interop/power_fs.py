"""A file system in memory that can lose its power, driven by the interop harness. Needs FUSE.

    power_fs.py MOUNTPOINT

It tells apart what everybody sees and what is on the medium. A file's bytes, length and times are
brought there by an fsync of the file, the names in a folder by one of the folder, and nothing else.
Commands come on stdin, one a line: those of fault_fs.py, and

    kill BUDGET      whoever is calling when so many bytes have been written is killed (SIGKILL): the
                     write in which the last of them lies is cut there. Other calls that change
                     something count for 4096 bytes, and the last is not made
    watch BUDGET     the same, but nobody is killed: it is told
    calm             nobody is killed nor watched any more, and nothing fails
    settle           all is brought to the medium
    power SEED       the power fails: of what is not on the medium each write to a file is kept, lost or
                     cut on its own, and the changes of a folder from some point on are lost; then all
                     is on the medium
    format           everything is removed

Prints one JSON object a line, the kind under "event":

    ready, obeyed, faulted    as fault_fs.py does
    reached                   the budget is spent; number: of the `kill`, `watch` or `calm` that set it
    lost                      before `obeyed`: kept, dropped and torn writes, and dropped changes of folders

A sync that fails has lost what it should have brought to the medium: that is what systems do, and
the next sync of the file succeeds without it.
"""

import errno
import os
import random
import signal
import stat
import sys
import threading
import time

import mfusepy as fuse
from fault_fs import Faults, say, start_obeying

# What a call costs that changes something and is not a write.
CALL_COST = 4096


class Node:
    """A file or a folder. `medium` is what a failure of the power leaves in any case."""

    def __init__(self, mode):
        self.mode = mode
        self.is_folder = stat.S_ISDIR(mode)
        self.modified = self.changed = time.time_ns()
        # A file's bytes; a folder's nodes by name.
        self.content = {} if self.is_folder else bytearray()
        # Calls that are not on the medium, in order.
        self.pending = []
        self.medium = ({} if self.is_folder else bytearray(), self.modified, self.changed)

    def touch(self):
        # Two calls never look like one.
        self.modified = self.changed = max(time.time_ns(), self.changed + 1)

    def sync(self):
        content = self.medium_content()
        for call in self.pending:
            self.apply(content, call)
        if not self.is_folder:
            apply_length(content, len(self.content))
        self.medium = (content, self.modified, self.changed)
        self.pending = []

    def medium_content(self):
        """To be changed."""
        content = self.medium[0]
        return dict(content) if self.is_folder else bytearray(content)

    def apply(self, content, call):
        if self.is_folder:
            apply_names(content, call)
        elif call[0] == "length":
            apply_length(content, call[1])
        else:
            apply_write(content, call[1], call[2])

    # Of files.

    def write(self, data, offset):
        self.touch()
        apply_write(self.content, data, offset)
        self.pending.append(("write", bytes(data), offset, self.modified))

    def set_length(self, length):
        self.touch()
        apply_length(self.content, length)
        self.pending.append(("length", length, None, self.modified))

    # Of folders: a change is what some names mean from then on, None for nothing.

    def change(self, names):
        self.touch()
        apply_names(self.content, names)
        self.pending.append(names)


def apply_write(content, data, offset):
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def apply_length(content, length):
    del content[length:]
    content.extend(bytes(length - len(content)))


def apply_names(content, names):
    for name, node in names.items():
        if node is None:
            content.pop(name, None)
        else:
            content[name] = node


class Killer:
    """Ends whoever is at work after so much of it."""

    def __init__(self):
        self.left = None
        self.kills = False
        self.number = 0

    def arm(self, budget, kills):
        self.left, self.kills = budget, kills
        self.number += 1

    def spend(self, cost):
        """How much of it is still done."""
        if self.left is None:
            return cost
        if cost < self.left:
            self.left -= cost
            return cost
        done, self.left = self.left, None
        if not self.kills:
            say("reached", number=self.number)
            return cost
        _, _, caller = fuse.fuse_get_context()
        assert caller > 1, "nobody is calling"
        os.kill(caller, signal.SIGKILL)
        say("reached", number=self.number)
        return done

    def call(self):
        """A call that is made as a whole or not at all."""
        if self.spend(CALL_COST) < CALL_COST:
            raise fuse.FuseOSError(errno.EINTR)


class PowerFs(fuse.Operations):
    use_ns = True

    def __init__(self):
        self.guard = threading.RLock()
        self.faults = Faults()
        self.killer = Killer()
        self.handles = {}
        self.next_handle = 1
        self.root = Node(stat.S_IFDIR | 0o755)

    def obey(self, words):
        with self.guard:
            match words:
                case ["fault", *_] | ["lift"]:
                    self.faults.obey(words)
                case ["kill", budget]:
                    self.killer.arm(int(budget), kills=True)
                case ["watch", budget]:
                    self.killer.arm(int(budget), kills=False)
                case ["calm"]:
                    self.killer.arm(None, kills=False)
                    self.faults.obey(["lift"])
                case ["settle"]:
                    for node in nodes_below(self.root):
                        node.sync()
                case ["power", seed]:
                    Failure(int(seed)).strike(self.root)
                case ["format"]:
                    self.root = Node(stat.S_IFDIR | 0o755)
                case _:
                    sys.exit(f"unknown command: {words}")

    def init(self, path):
        say("ready")

    def find(self, path):
        node = self.root
        for name in path.split("/"):
            if name:
                if not node.is_folder:
                    raise fuse.FuseOSError(errno.ENOTDIR)
                node = node.content.get(name)
                if node is None:
                    raise fuse.FuseOSError(errno.ENOENT)
        return node

    def parent(self, path):
        folder, name = os.path.split(path)
        return self.find(folder), name

    def open_node(self, node):
        handle = self.next_handle
        self.next_handle += 1
        self.handles[handle] = node
        return handle

    def getattr(self, path, fh=None):
        with self.guard:
            node = self.find(path) if fh is None else self.handles[fh]
            size = 0 if node.is_folder else len(node.content)
            return {
                "st_mode": node.mode,
                "st_nlink": 2 if node.is_folder else 1,
                "st_size": size,
                "st_blocks": -(-size // 512),
                "st_uid": os.getuid(),
                "st_gid": os.getgid(),
                "st_atime": node.modified,
                "st_mtime": node.modified,
                "st_ctime": node.changed,
            }

    def readdir(self, path, fh):
        with self.guard:
            return [".", "..", *self.find(path).content]

    def mkdir(self, path, mode):
        with self.guard:
            self.killer.call()
            folder, name = self.parent(path)
            folder.change({name: Node(stat.S_IFDIR | mode)})

    def rmdir(self, path):
        with self.guard:
            self.killer.call()
            folder, name = self.parent(path)
            if self.find(path).content:
                raise fuse.FuseOSError(errno.ENOTEMPTY)
            folder.change({name: None})

    def unlink(self, path):
        with self.guard:
            self.killer.call()
            folder, name = self.parent(path)
            folder.change({name: None})

    def rename(self, old, new):
        with self.guard:
            self.killer.call()
            (source, old_name), (target, new_name) = self.parent(old), self.parent(new)
            if source is not target:
                raise fuse.FuseOSError(errno.EXDEV)
            node = self.find(old)
            node.changed = max(time.time_ns(), node.changed + 1)
            # One change: it is there under one of its names.
            source.change({old_name: None, new_name: node})

    def create(self, path, mode, fi=None):
        with self.guard:
            self.killer.call()
            self.faults.strike("open")
            folder, name = self.parent(path)
            node = Node(stat.S_IFREG | mode)
            folder.change({name: node})
            return self.open_node(node)

    def open(self, path, flags):
        with self.guard:
            node = self.find(path)
            self.faults.strike("open")
            if flags & os.O_TRUNC:
                self.killer.call()
                node.set_length(0)
            return self.open_node(node)

    def read(self, path, size, offset, fh):
        with self.guard:
            size = self.faults.strike("read", size)
            return bytes(self.handles[fh].content[offset : offset + size])

    def write(self, path, data, offset, fh):
        with self.guard:
            moved = self.killer.spend(self.faults.strike("write", len(data)))
            if moved > 0:
                self.handles[fh].write(data[:moved], offset)
            return moved

    def truncate(self, path, length, fh=None):
        with self.guard:
            self.killer.call()
            node = self.find(path) if fh is None else self.handles[fh]
            node.set_length(length)

    def fsync(self, path, datasync, fh):
        with self.guard:
            self.killer.call()
            node = self.handles[fh]
            try:
                self.faults.strike("fsync")
            except OSError:
                node.pending = []
                raise
            node.sync()

    def fsyncdir(self, path, datasync, fh):
        with self.guard:
            self.killer.call()
            self.find(path).sync()

    def flush(self, path, fh):
        pass

    def release(self, path, fh):
        with self.guard:
            del self.handles[fh]

    def chmod(self, path, mode):
        with self.guard:
            node = self.find(path)
            node.mode = stat.S_IFMT(node.mode) | mode

    def utimens(self, path, times=None):
        with self.guard:
            node = self.find(path)
            node.touch()
            if times is not None:
                node.modified = times[1]

    def statfs(self, path):
        blocks = {"f_blocks": 1 << 20, "f_bfree": 1 << 19, "f_bavail": 1 << 19}
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255} | blocks


class Failure:
    """A failure of the power, by a seed."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.count = {"kept": 0, "dropped": 0, "torn": 0, "changes_dropped": 0}

    def strike(self, root):
        # First the names, for what cannot be found any more is gone.
        folders = [root]
        while folders:
            folder = folders.pop()
            self.strike_folder(folder)
            for node in folder.content.values():
                if node.is_folder:
                    folders.append(node)
                else:
                    self.strike_file(node)
        say("lost", **self.count)

    def strike_folder(self, folder):
        kept = self.draw.randint(0, len(folder.pending))
        self.count["changes_dropped"] += len(folder.pending) - kept
        content, folder.pending = folder.medium_content(), folder.pending[:kept]
        for names in folder.pending:
            apply_names(content, names)
        folder.content = content
        folder.sync()

    def strike_file(self, file):
        length_at_the_end = len(file.content)
        latest = (file.modified, file.changed)
        content, times = file.medium_content(), file.medium[1:]
        # Of one file all may have been written, of another nothing.
        share = self.draw.choice([0.1, 0.5, 0.9, 1])
        for kind, what, offset, when in file.pending:
            fate = "kept" if self.draw.random() < share else self.draw.choice(["dropped", "torn"])
            if kind == "length" and fate == "torn":
                fate = "kept"
            self.count[fate] += 1
            if fate == "dropped":
                continue
            if kind == "length":
                apply_length(content, what)
            else:
                length = len(what) if fate == "kept" else self.draw.randrange(len(what))
                apply_write(content, what[:length], offset)
            times = (when, when)
        if self.draw.random() < 0.5:
            # What is known of the file was written, the bytes were not.
            apply_length(content, length_at_the_end)
            times = latest
        file.modified, file.changed = times
        file.medium, file.pending = (content, *times), []
        file.content = bytearray(content)


def nodes_below(folder):
    yield folder
    for node in folder.content.values():
        if node.is_folder:
            yield from nodes_below(node)
        else:
            yield node


def main():
    mountpoint = os.path.realpath(sys.argv[1])
    disk = PowerFs()
    start_obeying(disk.obey, mountpoint)
    # What is known of files is asked for each time: a failure of the power changes it.
    unremembered = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    fuse.FUSE(disk, mountpoint, foreground=True, nothreads=True, direct_io=True, fsname="bt-interop", **unremembered)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError) as error:
        sys.exit(f"{errno.errorcode.get(getattr(error, 'errno', None), 'error')}: {error}")
