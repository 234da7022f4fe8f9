#!/usr/bin/python3
"""What only an ioctl can do: ioctl.py shut-down MOUNT_POINT… | spare-loops"""
import fcntl
import glob
import os
import struct
import sys

EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_LOG = 2
LOOP_CTL_REMOVE = 0x4C81


def shut_down(mount_point):
    """What a power cut leaves of a file system: what was not synced is lost, nothing is written any more."""
    folder = os.open(mount_point, os.O_RDONLY)
    fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_LOG))
    os.close(folder)


def spare_loops():
    """Takes the loop devices away that the kernel made on demand and nobody uses; it refuses those in use."""
    with open("/sys/module/loop/parameters/max_loop") as parameter:
        own = int(parameter.read()) or 8
    with open("/dev/loop-control", "w") as control:
        for number in sorted(int(path[9:]) for path in glob.glob("/dev/loop[0-9]*")):
            if number >= own:
                try:
                    fcntl.ioctl(control, LOOP_CTL_REMOVE, number)
                except OSError:
                    pass


if sys.argv[1] == "spare-loops":
    spare_loops()
else:
    for path in sys.argv[2:]:
        shut_down(path)
