# SPDX-License-Identifier: BSD-3-Clause
# One run: what travels to dom0, the command, its output and its exit status; or a terminal.
import fcntl
import os
import secrets
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
import tty

from . import hang
from .common import HUNG, NO_BUILD, TIMEOUT, TOP, Failure, locked, progress
from .machine import RESUME_SECONDS

# In dom0, before the command: the second disk, which dom0 has not read yet, becomes guests/.
MOUNT_GUESTS = "blockdev --flushbufs /dev/vdb && mkdir -p guests && mount -t ext4 -o noatime /dev/vdb guests && "

# The same with the third disk, which becomes the root of the command.
ENTER_ENGINES = "blockdev --flushbufs /dev/vdc && mkdir -p /engines && mount -t ext4 -o noatime /dev/vdc /engines && " \
    "set -- /engines/etc/xenbed-enter /engines \"$@\" && "

TICK_SECONDS = 1

ALWAYS = ("bench", "tests/xen", "docs/engines.md")  # of the source tree, what every run finds in dom0


def install_tree(work, build, rebuild):
    """The tree to lay over dom0's root: DESTDIR of `build`, which is made when it is not there."""
    tree = os.path.join(work, "tree")
    steps = []
    if not os.path.exists(os.path.join(build, "build.ninja")):
        progress(f"setting up {build}", always=True)
        steps.append(["meson", "setup", build, TOP])
    if rebuild:
        steps.append(["meson", "compile", "-C", build])
    steps.append(["meson", "install", "--no-rebuild", "--quiet", "-C", build, "--destdir", tree])
    os.makedirs(build, exist_ok=True)
    # two ninjas in one folder leave objects of older sources behind
    with locked(os.path.join(build, ".xenbed-lock"), f"builds in {build}"):
        for step in steps:
            done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                tail = done.stdout.decode(errors="replace").strip().splitlines()[-20:]
                raise Failure(NO_BUILD, f"{' '.join(step)}:\n  " + "\n  ".join(tail))
    return tree


def make_disk(path, tree, files):
    with open(path, "r+b") as disk, tarfile.open(fileobj=disk, mode="w") as tar:
        if tree and os.path.isdir(tree):
            tar.add(tree, "tree")
        for name in ALWAYS:
            if os.path.exists(os.path.join(TOP, name)):
                tar.add(os.path.join(TOP, name), os.path.join("work", name))
        for name in files:
            tar.add(name, os.path.join("work", os.path.basename(os.path.normpath(name))))


def go(machine):
    now = int(time.time() * 1e9).to_bytes(8, "little")
    machine.send(b"G", now + secrets.token_bytes(256))
    machine.expect_ready(RESUME_SECONDS, "did not take the files")


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def link_up(number):
    """What makes a dom0 one of two hosts on a network, in shell."""
    return (f"ip link set eth0 address 52:54:00:fa:ce:0{number} && ip address add 10.77.0.{number}/24 dev eth0 && "
            f"ip link set eth0 up && export PEER=10.77.0.{3 - number} && ")


def command(machine, argv, timeout, use_stdin, before="", out=1):
    """Runs argv in dom0, after the shell's line `before`; returns its exit status. Its output goes to `out`."""
    script = f'cd /root/work && {before}exec "$@"'
    machine.send(b"C", b"\0".join(os.fsencode(a) for a in ["sh", "-c", script, "sh", *argv]) + b"\0")
    if not use_stdin:
        machine.send(b"E")
    end = time.monotonic() + timeout if timeout else None
    stdin = [sys.stdin.fileno()] if use_stdin else []
    taken = True  # what was sent last of the input
    pulse = hang.Pulse(machine)
    while True:
        left = TICK_SECONDS if end is None else min(TICK_SECONDS, end - time.monotonic())
        if left <= 0:
            raise Failure(TIMEOUT, f"{argv[0]}: ran longer than {timeout} s and was ended")
        ready, _, _ = select.select([machine.agent, *(stdin if taken else [])], [], [], left)
        if stdin and stdin[0] in ready:
            data = os.read(stdin[0], 32768)
            machine.send(b"I", data) if data else machine.send(b"E")
            stdin = stdin if data else []
            taken = False
        if machine.agent not in ready:
            if pulse.gone():
                raise Failure(HUNG, hang.report(machine, pulse))
            continue
        try:
            frame = machine.receive(pulse.patience)
        except TimeoutError:  # in the middle of one
            frame = None
        if frame is None:
            raise Failure(HUNG, hang.report(machine, pulse))
        kind, data = frame
        pulse.felt()
        if kind == b"O":
            write_all(out, data)
        elif kind == b"F":
            write_all(2, data)
        elif kind == b"I":
            taken = True
        elif kind == b"X":
            return int.from_bytes(data, "little")


def size():
    columns, rows = shutil.get_terminal_size()
    return struct.pack("<HH", rows, columns)


def terminal(machine, before=""):
    """An interactive shell in dom0; returns its exit status."""
    script = f'cd /root/work; {before}export TERM={os.environ.get("TERM", "linux")}; exec "$@"'
    shell = ["sh", "-c", script, "sh", "bash", "-l"]
    machine.send(b"T", size() + b"\0".join(os.fsencode(a) for a in shell) + b"\0")
    resized = []
    signal.signal(signal.SIGWINCH, lambda *_: resized.append(1))
    saved = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        while True:
            if resized:
                resized.clear()
                machine.send(b"W", size())
            try:
                ready, _, _ = select.select([machine.agent, 0], [], [])
            except InterruptedError:
                continue
            if 0 in ready:
                machine.send(b"I", os.read(0, 4096))
            if machine.agent in ready:
                kind, data = machine.receive(None)
                if kind == b"X":
                    return int.from_bytes(data, "little")
                if kind in b"OF":
                    write_all(1, data)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) & ~os.O_NONBLOCK)
