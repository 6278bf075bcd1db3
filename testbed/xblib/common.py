# SPDX-License-Identifier: BSD-3-Clause
# What all parts of xenbed share: errors with exit statuses, paths, the host's programs, locks.
import contextlib
import fcntl
import os
import shutil
import sys
import time

# Exit statuses of xenbed itself; below 120 they are the command's own.
USAGE = 2
MISSING = 120   # a program or package of this machine
NO_SPACE = 121
NO_BUILD = 122  # the build to install failed
NOT_UP = 123    # dom0 did not come up, or went away
TIMEOUT = 124   # the command ran longer than --timeout
HUNG = 125      # dom0 makes no progress
KILLED = 130    # xenbed itself was interrupted (128 + signal)

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
TOP = os.path.dirname(HERE)


# depmod and others lie where users have no path to.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class Failure(Exception):
    """Ends xenbed with one clear message and an exit status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def progress(text, always=False):
    if always or sys.stderr.isatty() or os.environ.get("XENBED_VERBOSE"):
        print(f"xenbed: {text}", file=sys.stderr, flush=True)


def cache_dir():
    base = os.environ.get("XENBED_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                            "chaos-xenbed")
    os.makedirs(base, exist_ok=True)
    return base


def need_programs():
    missing = []
    with open(os.path.join(HERE, "packages.host"), encoding="ascii") as table:
        for line in table:
            if line.startswith("#") or not line.strip():
                continue
            program, package = line.split()
            if not shutil.which(program):
                missing.append((program, package))
    if missing:
        names = ", ".join(program for program, _ in missing)
        packages = " ".join(sorted({package for _, package in missing}))
        raise Failure(MISSING, f"{names}: not installed; run: apt-get install {packages}")


def need_space(path, mib, what):
    free = shutil.disk_usage(path).free >> 20
    if free < mib:
        raise Failure(NO_SPACE, f"{what} needs {mib} MiB in {path}, {free} MiB are free; "
                                "free some, or set XENBED_CACHE or TMPDIR to another disk")


@contextlib.contextmanager
def locked(path, what):
    """One process at a time; says so when it has to wait."""
    with open(path, "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another xenbed that {what}", always=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Stopwatch:
    def __init__(self):
        self.start = time.monotonic()

    def __str__(self):
        return f"{time.monotonic() - self.start:.1f} s"
