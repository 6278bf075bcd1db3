# SPDX-License-Identifier: BSD-3-Clause
# One QEMU process that is a Xen host: its command line, its monitor, booting, saving, resuming.
import ctypes
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .common import NOT_UP, Failure, Stopwatch, locked, need_space, progress

BOOT_SECONDS = 240
BOOT_SECONDS_ICOUNT = 600
RESUME_SECONDS = 120
DISK_BYTES = 1 << 30  # sparse; always the same size, so that a saved machine accepts any content
GUESTS_BYTES = 512 << 20  # the second disk, likewise
ENGINES_BYTES = 3 << 30  # the third one, of hosts that have it
DOM0_MIB = 1024
ENGINES_DOM0_MIB = 1536
SNAPSHOT_MIB = 200   # beside the RAM
SETTLE_SECONDS = 1   # what follows a boot ends before the host is kept
# QEMU's translated code, 1 GiB unless told: each flush of a TLB is followed by searches of the table of all of it, which
# took a fifth of QEMU's time by cache misses. Code of VMs that are gone goes, and huge pages hold the table.
CODE_MIB = 64
HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    os.setsid()  # Ctrl-C is xenbed's to handle


class Options:
    """What makes two machines different; all of it is in the name of a snapshot."""

    def __init__(self, mem=3072, smp=1, icount=False, xenstored=False, xen="", linux="", net=False, engines=False):
        self.mem = mem
        self.smp = smp
        self.icount = icount
        self.xenstored = xenstored
        self.xen = xen
        self.linux = linux
        self.net = net  # a network interface, for a host that is one of two
        self.engines = engines  # a third disk, and more memory for dom0


class Machine:
    def __init__(self, image, options, work):
        self.image = image
        self.options = options
        self.work = work
        self.other = None  # the work folder of the host at the other end of its network
        self.process = None
        self.agent = None
        self.qmp = None
        self.qmp_socket = None
        self.console = os.path.join(work, "console.log")
        self.disk = os.path.join(work, "disk")
        self.guests = os.path.join(work, "guests")
        self.engines = os.path.join(work, "engines")
        disks = [(self.disk, DISK_BYTES), (self.guests, GUESTS_BYTES)]
        disks += [(self.engines, ENGINES_BYTES)] if options.engines else []
        for path, size in disks:
            with open(path, "ab") as disk:
                disk.truncate(size)

    # --- the command line ---

    def arguments(self):
        o = self.options
        accel = ["-accel", f"tcg,thread=single,tb-size={CODE_MIB}"]
        accel += ["-icount", "shift=0,sleep=off"] if o.icount else []
        mib = ENGINES_DOM0_MIB if o.engines else DOM0_MIB
        xen = (f"console=com1 com1=115200 dom0_mem={mib}M,max:{mib}M dom0_max_vcpus={o.smp} "
               "loglvl=info noreboot")
        linux = "console=hvc0 quiet rdinit=/init net.ifnames=0"
        if o.xenstored:
            linux += " xenbed.xenstored"
        # Comma separates modules for QEMU: doubled, it is one.
        linux += f" {o.linux}".replace(",", ",,") if o.linux else ""
        xen += f" {o.xen}" if o.xen else ""
        return ["qemu-system-x86_64", *accel, "-cpu", "qemu64,+svm,+npt", "-smp", str(o.smp),
                "-m", str(o.mem), "-machine", "memory-backend=ram", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-kernel", os.path.join(self.image, "xen"), "-append", xen,
                "-initrd", f"{self.image}/vmlinuz {linux},{self.image}/root.cpio.zst",
                "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,nr=1,name=agent",
                "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-blk-pci,drive=guests",
                *(["-device", "virtio-net-pci,netdev=link,romfile="] if o.net else []),
                *(["-device", "virtio-blk-pci,drive=engines"] if o.engines else [])]

    def places(self):
        """The arguments that differ from run to run and do not matter to a snapshot."""
        return ["-qmp", f"unix:{self.work}/qmp,server=on,wait=off",
                "-chardev", f"socket,id=agent,path={self.work}/agent,server=on,wait=off",
                "-chardev", f"socket,id=console,path={self.work}/console,server=on,wait=off,"
                            f"logfile={self.console},logappend=on",
                "-serial", "chardev:console",
                "-drive", f"file={self.disk},format=raw,if=none,id=disk,cache=unsafe",
                "-drive", f"file={self.guests},format=raw,if=none,id=guests,cache=unsafe",
                *([] if not self.options.engines else
                  ["-drive", f"file={self.engines},format=raw,if=none,id=engines,cache=unsafe"]),
                *([] if not self.options.net else
                  ["-netdev", f"dgram,id=link,local.type=unix,local.path={self.work}/link,"
                              f"remote.type=unix,remote.path={self.other or self.work}/link"])]

    def memory(self, path, share):
        """RAM in a file: shared while it is made, private (copy on write) for each that resumes."""
        return ["-object", f"memory-backend-file,id=ram,size={self.options.mem}M,mem-path={path},"
                           f"share={'on' if share else 'off'}"]

    def snapshot_path(self):
        version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, check=False)
        if version.returncode != 0:
            words = version.stderr.decode(errors="replace").strip()
            raise Failure(NOT_UP, f"qemu-system-x86_64 does not work: {words}")
        what = "\0".join(self.arguments()).encode() + version.stdout
        return os.path.join(self.image, f"snapshot-{hashlib.sha256(what).hexdigest()[:16]}")

    def put_disk(self, path, disk):
        """A copy of the file path becomes the content of a disk; before dom0 looks at it.

        The disk keeps its size meanwhile: QEMU, which may still be resuming, asks for it, and what lay
        beyond a smaller one would be an I/O error for good."""
        subprocess.run(["dd", f"if={path}", f"of={disk}", "bs=1M", "conv=notrunc,sparse", "status=none"],
                       check=True)

    # --- life ---

    def launch(self, more=()):
        with open(os.path.join(self.work, "qemu.log"), "wb") as log:
            self.process = subprocess.Popen([*self.arguments(), *self.places(), *more],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent, env={**os.environ, **HUGE})
        self.agent = self.connect("agent")

    def connect(self, name):
        path = os.path.join(self.work, name)
        for _ in range(1000):
            if self.process.poll() is not None:
                raise self.failed("QEMU ended at once")
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(path)
                return s
            except OSError:
                s.close()
                time.sleep(0.01)
        raise self.failed("QEMU does not answer")

    def monitor(self, command, **arguments):
        if self.qmp is None:
            self.qmp_socket = self.connect("qmp")
            self.qmp = self.qmp_socket.makefile("rw")
            self.qmp.readline()
            self.monitor("qmp_capabilities")
        self.qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            line = self.qmp.readline()
            if not line:
                raise self.failed("QEMU ended")
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise self.failed(f"QEMU: {command}: {answer['error']['desc']}")

    def human(self, line):
        """What QEMU's monitor for people says to a line."""
        return self.monitor("human-monitor-command", **{"command-line": line})

    def tail(self):
        lines = []
        for name in ("qemu.log", "console.log"):
            path = os.path.join(self.work, name)
            if os.path.exists(path):
                with open(path, "rb") as log:
                    lines += log.read()[-4000:].decode(errors="replace").splitlines()[-15:]
        return "".join(f"\n  | {line}" for line in lines)

    def failed(self, what):
        return Failure(NOT_UP, f"{what}; last lines of the console:{self.tail()}")

    def kill(self):
        for s in (self.agent, self.qmp, self.qmp_socket):
            if s:
                try:
                    s.close()
                except OSError:
                    pass
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    # --- frames of the agent (agent.c says what they are) ---

    def send(self, kind, data=b""):
        self.agent.sendall(kind + len(data).to_bytes(4, "little") + data)

    def receive(self, seconds):
        """One (type, payload); None when `seconds` pass without one."""
        self.agent.settimeout(seconds)
        try:
            head = self.exactly(5)
        except TimeoutError:
            return None
        self.agent.settimeout(60)
        return head[:1], self.exactly(int.from_bytes(head[1:], "little"))

    def exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.agent.recv(count - len(data))
            except ConnectionError:
                more = b""
            if not more:
                raise self.failed("dom0 went away")
            data += more
        return data

    def expect_ready(self, seconds, what):
        frame = self.receive(seconds)
        if frame is None or frame[0] != b"R":
            raise self.failed(f"dom0 {what} within {seconds} s")

    # --- boot, save, resume ---

    def boot(self, ram):
        watch = Stopwatch()
        seconds = BOOT_SECONDS_ICOUNT if self.options.icount else BOOT_SECONDS
        progress("booting Xen and dom0")
        self.launch(self.memory(ram, share=True))
        self.expect_ready(seconds, "was not up")
        progress(f"dom0 is up ({watch})")

    def ignore_shared(self):
        """RAM is in its file already; only the state of devices and CPUs travels."""
        self.monitor("migrate-set-capabilities",
                     capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def save(self, state):
        self.agent.close()  # a saved port has nothing at its other end
        self.ignore_shared()
        self.monitor("migrate", uri=f"exec:cat > '{state}'")
        while True:
            status = self.monitor("query-migrate")["status"]
            if status == "completed":
                break
            if status in ("failed", "cancelled"):
                raise self.failed("saving the booted host failed")
            time.sleep(0.05)
        self.kill()

    def resume(self, folder):
        os.utime(folder)
        self.launch([*self.memory(os.path.join(folder, "ram"), share=False), "-incoming", "defer"])
        self.ignore_shared()
        self.monitor("migrate-incoming", uri=f"exec:cat '{folder}/state'")


def make_snapshot(image, options, work, path):
    """Boots a host and keeps it in the folder `path`: ram and state."""
    watch = Stopwatch()
    progress("booting this kind of host once, to keep it as a snapshot", always=True)
    need_space(image, options.mem + SNAPSHOT_MIB, "keeping the booted host")
    part = tempfile.mkdtemp(prefix="making-", dir=image)
    machine = Machine(image, options, work)
    try:
        machine.boot(os.path.join(part, "ram"))
        time.sleep(SETTLE_SECONDS)
        machine.save(os.path.join(part, "state"))
        os.rename(part, path)
    finally:
        machine.kill()
        shutil.rmtree(part, ignore_errors=True)
    progress(f"kept ({watch})", always=True)


def start(image, options, work, other=None):
    """A machine whose agent waits for `go`: resumed, or booted and saved for the next time. `other`: the
    work folder of the host that it is joined with."""
    machine = Machine(image, options, work)
    machine.other = other
    path = machine.snapshot_path()
    if not os.path.exists(path):
        with locked(f"{path}.lock", "boots the same host for the first time"):
            if not os.path.exists(path):
                make_snapshot(image, options, work, path)
    machine.resume(path)
    return machine
