#!/usr/bin/python3
"""A cable of user space with delay, jitter, loss and the like, for kernels without netem: two TAP devices with frames relayed.

cable.py DEVICE PORT QUALITY makes DEVICE in the network namespace of the caller and PORT in that of process 1, writes `ready` and
relays until its parent ends. The file QUALITY holds one JSON object, re-read when it changes, with an object for each direction,
"out" (from the host) and "in": delayMs jitterMs lossRatio duplicateRatio corruptRatio kbitPerSecond reorders(bool: jitter may
change the order; else a frame waits for the one before it) queueFrames.
"""
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
ETHERNET_HEADER_BYTES = 14
QUEUE_FRAMES = 2000
LOOK_EVERY_S = 0.05

libc = ctypes.CDLL(None, use_errno=True)


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def enter_network_of(pid):
    with open(f"/proc/{pid}/ns/net") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Direction:
    def __init__(self, source, target):
        self.source, self.target = source, target
        self.quality = {}
        self.queued = 0
        self.lastAt = self.freeAt = 0.0


class Cable:
    def __init__(self, ends, path):
        self.path, self.stamp = path, None
        self.directions = dict(zip(("out", "in"), ends))
        self.queue, self.sequence = [], 0

    def look(self):
        try:
            found = os.stat(self.path)
            if (found.st_mtime_ns, found.st_size) == self.stamp:
                return
            with open(self.path) as file:
                quality = json.load(file)
            self.stamp = (found.st_mtime_ns, found.st_size)
            for name, direction in self.directions.items():
                direction.quality = quality.get(name, {})
        except (OSError, ValueError):
            pass  # It is being written: the next look finds it whole.

    def accept(self, way, frame, now):
        quality = way.quality
        if random.random() < quality.get("lossRatio", 0) or way.queued >= quality.get("queueFrames", QUEUE_FRAMES):
            return
        if random.random() < quality.get("corruptRatio", 0):
            changed = bytearray(frame)
            changed[random.randrange(ETHERNET_HEADER_BYTES, len(changed))] ^= 1 << random.randrange(8)
            frame = bytes(changed)
        for _ in range(2 if random.random() < quality.get("duplicateRatio", 0) else 1):
            at = now
            if quality.get("kbitPerSecond"):
                way.freeAt = at = max(way.freeAt, now) + len(frame) * 8 / (quality["kbitPerSecond"] * 1000)
            at += max(0, quality.get("delayMs", 0) + random.uniform(-1, 1) * quality.get("jitterMs", 0)) / 1000
            if not quality.get("reorders"):
                at = max(at, way.lastAt)
            way.lastAt = at
            way.queued += 1
            self.sequence += 1
            heapq.heappush(self.queue, (at, self.sequence, way, frame))

    def deliver(self, now):
        while self.queue and self.queue[0][0] <= now:
            _, _, way, frame = heapq.heappop(self.queue)
            way.queued -= 1
            try:
                os.write(way.target, frame)
            except OSError:
                pass  # The other end is down.

    def relay(self):
        poll = select.epoll()
        by_source = {way.source: way for way in self.directions.values()}
        for source in by_source:
            poll.register(source, select.EPOLLIN)
        look_at = 0.0
        while True:
            now = time.monotonic()
            if now >= look_at:
                self.look()
                look_at = now + LOOK_EVERY_S
            self.deliver(now)
            patience = min(LOOK_EVERY_S, max(0.0, self.queue[0][0] - now)) if self.queue else LOOK_EVERY_S
            for source, _ in poll.poll(patience):
                self.drain(by_source[source])

    def drain(self, way):
        for _ in range(64):
            try:
                frame = os.read(way.source, 65536)
            except OSError:
                return
            self.accept(way, frame, time.monotonic())


libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
host_end = tap(sys.argv[1])
enter_network_of(1)
switch_end = tap(sys.argv[2])
print("ready", flush=True)
os.close(1)
Cable((Direction(host_end, switch_end), Direction(switch_end, host_end)), sys.argv[3]).relay()
