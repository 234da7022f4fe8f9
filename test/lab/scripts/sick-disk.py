#!/usr/bin/python3
"""A disk that can fall ill: sick-disk.py IMAGE MOUNT_POINT serves IMAGE as MOUNT_POINT/disk, for a loop device to stand on.

Illness is written to MOUNT_POINT/faults as one JSON object (`{}` heals), read by every request that follows:
  readMs writeMs flushMs                        each request takes longer
  readErrorRatio writeErrorRatio flushErrorRatio  a request fails with EIO with this probability
  badRanges: [[offset, length], …]              requests that touch these bytes fail with EIO
  stalled                                       requests wait until this is taken back
  dropsWrites                                   the disk lies: it acknowledges writes and forgets them
MOUNT_POINT/counts says how many requests there were.
"""
import errno
import json
import os
import random
import stat
import sys
import time

from fusepy import FUSE, FuseOSError, Operations

COUNTS_BYTES = 4096


class SickDisk(Operations):
    def __init__(self, image):
        self.image = os.open(image, os.O_RDWR)
        self.size = os.fstat(self.image).st_size
        self.text = b"{}"
        self.faults = {}
        self.counts = dict(read=0, write=0, flush=0, failed=0, dropped=0)

    def sizes(self):
        return {"/disk": self.size, "/faults": len(self.text), "/counts": COUNTS_BYTES}

    def getattr(self, path, fh=None):
        if path == "/":
            return dict(st_mode=stat.S_IFDIR | 0o755, st_nlink=2)
        if path not in self.sizes():
            raise FuseOSError(errno.ENOENT)
        return dict(st_mode=stat.S_IFREG | 0o600, st_nlink=1, st_size=self.sizes()[path])

    def readdir(self, path, fh):
        return [".", ".."] + [path[1:] for path in self.sizes()]

    def open(self, path, flags):
        return 0

    def truncate(self, path, length, fh=None):
        if path == "/faults":
            self.text = self.text[:length]

    def suffer(self, kind, offset=0, length=0):
        while self.faults.get("stalled"):
            time.sleep(0.01)
        time.sleep(self.faults.get(kind + "Ms", 0) / 1000)
        bad = any(offset < start + size and start < offset + length for start, size in self.faults.get("badRanges", []))
        if bad or random.random() < self.faults.get(kind + "ErrorRatio", 0):
            self.counts["failed"] += 1
            raise FuseOSError(errno.EIO)

    def read(self, path, length, offset, fh):
        if path == "/faults":
            return self.text[offset : offset + length]
        if path == "/counts":
            return json.dumps(self.counts).ljust(COUNTS_BYTES).encode()[offset : offset + length]
        self.counts["read"] += 1
        self.suffer("read", offset, length)
        return os.pread(self.image, length, offset)

    def write(self, path, bytes, offset, fh):
        if path == "/faults":
            self.text = self.text[:offset] + bytes
            try:
                self.faults = json.loads(self.text)
            except ValueError:
                pass  # The rest of a longer text is still to come.
            return len(bytes)
        self.counts["write"] += 1
        self.suffer("write", offset, len(bytes))
        if self.faults.get("dropsWrites"):
            self.counts["dropped"] += 1
            return len(bytes)
        return os.pwrite(self.image, bytes, offset)

    def fsync(self, path, datasync, fh):
        if path == "/disk":
            self.counts["flush"] += 1
            self.suffer("flush")
            os.fdatasync(self.image)


FUSE(
    SickDisk(sys.argv[1]),
    sys.argv[2],
    foreground=True,
    nothreads=False,
    big_writes=True,
    max_write=131072,
    attr_timeout=0,
    fsname="sick-disk",
)
