# SPDX-License-Identifier: BSD-3-Clause
# A host that makes no progress: noticing it, and telling what its CPUs and Xen are doing.
import os
import re
import socket
import time

SILENT_SECONDS = 30  # without a frame: the agent is asked
HUNG_SECONDS = 60    # ... and has so long to answer
STEP_SECONDS = 5     # a longer turn of the loop was this machine's own pause: it counts no more than that
SAMPLES = 20         # of the instruction pointers
SAMPLE_SECONDS = 0.1
KEY_SECONDS = 3      # for what a debug key prints
MONITOR_SECONDS = 10
TO_XEN = b"\x01\x01\x01"  # on the serial console: what follows is Xen's
KEYS = (("r", "run queues"), ("q", "domains"), ("e", "event channels"), ("0", "dom0's registers"),
        ("d", "registers of all CPUs"))


class Pulse:
    """Asks an agent that has said nothing for a while. (Not earlier: in instruction-count time each
    question is work that a figure could have in it.)"""

    def __init__(self, machine):
        self.machine = machine
        self.patience = float(os.environ.get("XENBED_HUNG") or HUNG_SECONDS)
        self.before = min(SILENT_SECONDS, self.patience / 2)
        self.felt()

    def felt(self):
        self.last = time.monotonic()
        self.silent = 0.0
        self.asked = False

    def gone(self):
        """To be called every second or so without a frame; True: there is no progress."""
        now = time.monotonic()
        self.silent += min(now - self.last, STEP_SECONDS)
        self.last = now
        if not self.asked and self.silent >= self.before:
            self.machine.send(b"P")
            self.asked = True
        return self.silent >= self.before + self.patience


def indent(text):
    return "".join(f"\n  | {line}" for line in text.replace("\r", "").splitlines() if line.strip())


def registers(machine):
    return machine.human("info registers -a")


def samples(machine):
    """How often which vCPU was seen where, what was seen most first."""
    seen = {}
    for _ in range(SAMPLES):
        cpu = "?"
        for line in registers(machine).splitlines():
            head = re.match(r"CPU#(\d+)", line)
            cpu = head.group(1) if head else cpu
            rip = re.search(r"\bRIP=([0-9a-f]+)", line)
            if rip:
                halted = " halted" if "HLT=1" in line else ""
                where = f"CPU {cpu} RIP={rip.group(1)}{halted}"
                seen[where] = seen.get(where, 0) + 1
        time.sleep(SAMPLE_SECONDS)
    return "\n".join(f"{n} of {SAMPLES}: {where}" for where, n in sorted(seen.items(), key=lambda s: -s[1]))


def printed(machine, since):
    """What came to the console behind the byte `since`, once it has stopped coming."""
    size = since
    end = time.monotonic() + KEY_SECONDS
    while time.monotonic() < end:
        time.sleep(0.3)
        now = os.path.getsize(machine.console)
        if now == size and now > since:
            break
        size = now
    with open(machine.console, "rb") as log:
        log.seek(since)
        return log.read().decode(errors="replace")


def debug_keys(machine):
    """Xen's own words; it listens to its keys when no domain gets a turn, unless it spins itself."""
    text = ""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(MONITOR_SECONDS)
        s.connect(os.path.join(machine.work, "console"))
        since = os.path.getsize(machine.console)
        s.sendall(TO_XEN)
        text += indent(printed(machine, since))
        for key, what in KEYS:
            since = os.path.getsize(machine.console)
            s.sendall(key.encode())
            answer = indent(printed(machine, since))
            text += f"\nXen's {what} (debug key {key}):" + (answer or " Xen prints nothing")
    return text


def attempt(what, *args):
    try:
        return what(*args)
    except Exception as failure:  # whatever is broken, the rest is told
        return f" not to be had: {failure}"


def report(machine, pulse):
    """Everything about a host whose agent does not answer; takes half a minute at the most."""
    tail = machine.tail()
    if machine.qmp_socket:
        machine.qmp_socket.settimeout(MONITOR_SECONDS)
    text = f"dom0 hung: nothing from its agent for {pulse.silent:.0f} s, asked {pulse.patience:.0f} s ago"
    text += f"; last lines of the console:{tail}"
    text += "\nthe emulator's vCPUs:" + indent(attempt(registers, machine))
    text += "\nwhere they were seen:" + indent(attempt(samples, machine))
    text += attempt(debug_keys, machine)
    return text + "\ndom0 hung"
