"""A file system whose calls fail on demand, driven by the interop harness. Needs FUSE.

    fault_fs.py BACKING MOUNTPOINT

Passes everything through to the folder BACKING, except as told on stdin, one command a line:

    fault OP error ERRNO AFTER [COUNT]     after AFTER more calls, COUNT of OP fail so, or all
    fault OP short BYTES AFTER [COUNT]     after AFTER more calls, COUNT of OP move at most so many bytes, or all
    lift                                   from here on nothing fails

OP is one of open, mkdir, read, write, fsync; open counts files being made, too. Prints one JSON
object a line, the kind under "event":

    ready      the file system is mounted
    obeyed     number: so many commands have been obeyed
    faulted    op: a fault has struck for the first time since it was told

Unmounts and ends with the end of stdin, so that it never outlives the harness. Every read and
write of a file comes here (there is no page cache between), one at a time.
"""

import ctypes
import errno
import json
import os
import sys
import threading

import mfusepy as fuse

MNT_DETACH = 2


class Faults:
    """What is to fail, and what has."""

    def __init__(self):
        self.lock = threading.Lock()
        self.by_op = {}

    def obey(self, words):
        with self.lock:
            if words == ["lift"]:
                self.by_op = {}
            else:
                _, op, kind, number, after, *count = words
                self.by_op[op] = {
                    "kind": kind,
                    "number": int(number),
                    "after": int(after),
                    "left": int(count[0]) if count else None,
                    "struck": False,
                }

    def strike(self, op, length=0):
        """How many of `length` bytes the call may move; raises if it fails."""
        with self.lock:
            fault = self.by_op.get(op)
            if fault is None:
                return length
            if fault["after"] > 0:
                fault["after"] -= 1
                return length
            if fault["left"] == 0:
                return length
            if fault["left"] is not None:
                fault["left"] -= 1
            if not fault["struck"]:
                fault["struck"] = True
                say("faulted", op=op)
            if fault["kind"] == "error":
                raise fuse.FuseOSError(fault["number"])
            return min(length, fault["number"])


class FaultFs(fuse.Operations):
    use_ns = True

    def __init__(self, backing, faults):
        self.backing = backing
        self.faults = faults

    def below(self, path):
        return self.backing + path

    def init(self, path):
        say("ready")

    def getattr(self, path, fh=None):
        found = os.fstat(fh) if fh is not None else os.lstat(self.below(path))
        kept = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_blocks")
        times = {f"st_{which}time": getattr(found, f"st_{which}time_ns") for which in "amc"}
        return {key: getattr(found, key) for key in kept} | times

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.below(path))]

    def mkdir(self, path, mode):
        self.faults.strike("mkdir")
        os.mkdir(self.below(path), mode)

    def rmdir(self, path):
        os.rmdir(self.below(path))

    def unlink(self, path):
        os.unlink(self.below(path))

    def rename(self, old, new):
        os.rename(self.below(old), self.below(new))

    def create(self, path, mode, fi=None):
        self.faults.strike("open")
        return os.open(self.below(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path, flags):
        self.faults.strike("open")
        return os.open(self.below(path), flags & ~os.O_NOFOLLOW)

    def read(self, path, size, offset, fh):
        return os.pread(fh, self.faults.strike("read", size), offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data[: self.faults.strike("write", len(data))], offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.below(path), length)

    def fsync(self, path, datasync, fh):
        self.faults.strike("fsync")
        os.fsync(fh)

    def flush(self, path, fh):
        pass

    def release(self, path, fh):
        os.close(fh)

    def chmod(self, path, mode):
        os.chmod(self.below(path), mode)

    def utimens(self, path, times=None):
        os.utime(self.below(path), ns=times)

    def statfs(self, path):
        found = os.statvfs(self.backing)
        return {key: getattr(found, key) for key in dir(found) if key.startswith("f_") and key != "f_fsid"}


def say(event, **fields):
    # In one write: there are two threads.
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def obey_until_the_end(obey, mountpoint):
    for number, line in enumerate(sys.stdin, 1):
        obey(line.split())
        say("obeyed", number=number)
    # Detached: whoever is just being killed may still hold a file.
    ctypes.CDLL(None).umount2(mountpoint.encode(), MNT_DETACH)
    os._exit(0)


def start_obeying(obey, mountpoint):
    threading.Thread(target=obey_until_the_end, args=(obey, mountpoint), daemon=True).start()


def main():
    backing, mountpoint = (os.path.realpath(path) for path in sys.argv[1:3])
    faults = Faults()
    start_obeying(faults.obey, mountpoint)
    fuse.FUSE(
        FaultFs(backing, faults), mountpoint, foreground=True, nothreads=True, direct_io=True, fsname="bt-interop"
    )


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError) as error:
        sys.exit(f"{errno.errorcode.get(getattr(error, 'errno', None), 'error')}: {error}")
