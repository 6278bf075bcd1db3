# SPDX-License-Identifier: BSD-3-Clause
# Makes what Linux guests of the tests are made of (kernels, an initramfs, GRUB, a Debian disk) as one disk for dom0.
import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile

from .common import HERE, TOP, Stopwatch, cache_dir, locked, need_programs, need_space, progress
from .image import run, sources

KEEP = 2           # older disks that stay in the cache
BUILD_MIB = 2500
DISK_MIB = 160     # Debian's disk
START_MIB = 1      # where its one partition begins
KERNELS = {"amd64": "-amd64", "cloud": "-cloud-amd64"}  # flavor: how its release ends
PACKAGES = "linux-image-amd64,linux-image-cloud-amd64,initramfs-tools,mount,grub-xen-host"
MODULES = "xen-blkfront xen-netfront crc32c_generic ext4 erofs overlay xenfs".split()
AGENT_MODULES = "xen-evtchn xen-gntalloc".split()  # for the agent's ring; chaos-oci takes them from modules/ beside the kernel
GRUB = "grub-x86_64-xen.bin grub-i386-xen_pvh.bin".split()
PROGRAM = "tests/xen/guest"  # the C sources of the guest's process 1

# What Debian's own initramfs has on top of its scripts.
INITRAMFS_HOOK = """mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\\nRESUME=none\\n' >"$1/etc/initramfs-tools/conf.d/testbed"
printf '%s\\n' xen-blkfront xen-netfront ext4 >"$1/usr/share/initramfs-tools/modules.d/testbed"
"""

# What no guest opens.
DROP = tuple("""dev/ proc/ sys/ run/ tmp/ var/cache/ var/lib/apt/ usr/share/doc/ usr/share/man/ usr/share/locale/
usr/share/info/ usr/share/perl/ usr/share/perl5/ usr/share/bash-completion/ usr/share/bug/ usr/share/lintian/
usr/share/zoneinfo/ usr/share/i18n/ usr/lib/x86_64-linux-gnu/perl/ usr/lib/x86_64-linux-gnu/gconv/
usr/lib/udev/hwdb usr/lib/grub usr/share/grub/ boot/System.map boot/config""".split())

GRUB_CFG = """set timeout=20
set default=0
{entries}"""
GRUB_ENTRY = """menuentry "Debian GNU/Linux, with Linux {release}" {{
	linux /boot/vmlinuz-{release} root=/dev/xvda1 ro console=hvc0 net.ifnames=0 quiet ${{more}}
	initrd /boot/initrd.img-{release}
}}
"""

# Debian's root has no init system of its own: this one is enough to hand over to the test's program.
ROOT_INIT = """#!/bin/sh
modprobe -a xen-netfront xenfs
mount -o remount,rw /
echo "Debian $(cat /etc/debian_version) from $(findmnt -n -o SOURCE /)"
exec /usr/sbin/guest
"""


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def digest(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def ensure(suite):
    """The file that is dom0's second disk: an ext4 file system; made when it is not there."""
    base = cache_dir()
    program = os.path.join(TOP, PROGRAM)
    sorts = digest(suite.encode(), read(os.path.join(HERE, "xblib/guests.py")))
    parts = os.path.join(base, f"guestparts-{suite}-{sorts}")
    key = digest(sorts.encode(), *(read(os.path.join(program, n)) for n in sorted(os.listdir(program))))
    path = os.path.join(base, f"guests-{suite}-{key}")
    if os.path.exists(path):
        os.utime(path)
        os.utime(parts)
        return path
    need_programs()
    with locked(os.path.join(base, "guests.lock"), "makes the guests"):
        if not os.path.exists(parts):
            need_space(base, BUILD_MIB, "making the guests")
            make(base, parts, lambda work: fetch(suite, work))
            prune(base, f"guestparts-{suite}-", parts)
        if not os.path.exists(path):
            make(base, path, lambda work: compose(parts, work), result="guests.img")
            prune(base, f"guests-{suite}-", path)
    return path


def make(base, path, build, result=None):
    """build(folder) makes a folder; it, or its file `result`, gets the name path when it is whole."""
    work = tempfile.mkdtemp(prefix="making-", dir=base)
    try:
        build(work)
        os.rename(os.path.join(work, result) if result else work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prune(base, prefix, keep):
    old = [os.path.join(base, name) for name in os.listdir(base) if name.startswith(prefix)]
    for path in sorted((p for p in old if p != keep), key=os.path.getmtime, reverse=True)[KEEP - 1:]:
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)


# --- what Debian gives: kept in a folder, made again only when this file changes ---

def fetch(suite, work):
    watch = Stopwatch()
    progress("fetching Debian's kernels and GRUB for guests, once; this takes 1-2 minutes", always=True)
    tar = os.path.join(work, "root.tar")
    argv = ["mmdebstrap", "--mode=root" if os.geteuid() == 0 else "--mode=unshare", "--variant=essential",
            f"--include={PACKAGES}", f"--essential-hook={INITRAMFS_HOOK}", suite, tar, "-"]
    text = b"\n".join(read(name) for name in sources())
    with tempfile.TemporaryFile() as listing:
        listing.write(text)
        listing.seek(0)
        run(argv, "mmdebstrap (Debian's root for guests)", stdin=listing)
    with tarfile.open(tar) as archive:
        members = {m.name.removeprefix("./"): m for m in archive}
        releases = {flavor: release(members, end) for flavor, end in KERNELS.items()}
        modules = {r: module_files(archive, members, r, MODULES) for r in releases.values()}
        agents = {r: module_files(archive, members, r, AGENT_MODULES) for r in releases.values()}
        wanted = {name for names in [*modules.values(), *agents.values()] for name in names}
        for name, member in members.items():
            folder = name.startswith("usr/lib/modules/") and not member.isdir() and name not in wanted and \
                not os.path.basename(name).startswith("modules.")
            grub = os.path.basename(name) in GRUB
            if grub or not (folder or name.startswith(DROP) or member.isdev()):
                archive.extract(member, os.path.join(work, "root"), set_attrs=not member.issym())
    os.unlink(tar)
    root = os.path.join(work, "root")
    for flavor, r in releases.items():
        keep_kernel(root, os.path.join(work, flavor), r)
        keep_modules(root, os.path.join(work, flavor, "modules"), modules[r])
        keep_modules(root, os.path.join(work, flavor, "agent"), agents[r])
        run(["depmod", "-b", root, r], "depmod")
    os.mkdir(os.path.join(work, "grub"))
    for name in GRUB:
        shutil.move(os.path.join(root, "usr/lib/grub-xen", name), os.path.join(work, "grub", name))
    progress(f"kernels and GRUB are there ({watch})", always=True)


def release(members, end):
    for name in members:
        found = name.removeprefix("boot/vmlinuz-")
        if found != name and found.endswith(end) and ("cloud" in end or "cloud" not in found):
            return found
    raise RuntimeError(f"no kernel *{end} in the root tree")


def module_files(archive, members, r, names):
    """Paths of modules and all they need, what is needed first; built-in ones are not there."""
    where = f"usr/lib/modules/{r}"
    needs = {}
    for line in archive.extractfile(members[f"{where}/modules.dep"]).read().decode().splitlines():
        module, _, rest = line.partition(":")
        needs[os.path.basename(module).split(".ko")[0].replace("-", "_")] = [module, *rest.split()]
    files = []
    for name in names:
        for path in reversed(needs.get(name.replace("-", "_"), [])):
            if f"{where}/{path}" not in files:
                files.append(f"{where}/{path}")
    return files


def keep_kernel(root, out, r):
    """out/: vmlinuz, vmlinux (when it was packed with xz), release."""
    os.makedirs(out)
    image = read(os.path.join(root, f"boot/vmlinuz-{r}"))
    with open(os.path.join(out, "vmlinuz"), "wb") as f:
        f.write(image)
    # The boot protocol's header says where the packed kernel lies (Linux Documentation/x86/boot).
    begin, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(image[0x1f1] + 1) * 512 + begin:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        with open(os.path.join(out, "vmlinux"), "wb") as f:
            f.write(lzma.LZMADecompressor().decompress(payload))
    with open(os.path.join(out, "release"), "w", encoding="ascii") as f:
        f.write(r)


def keep_modules(root, out, modules):
    """The files, and their order."""
    os.makedirs(out)
    with open(os.path.join(out, "order"), "w", encoding="ascii") as order:
        for name in modules:
            shutil.copy(os.path.join(root, name), out)
            order.write(os.path.basename(name) + "\n")


# --- what is made of it with our program: seconds ---

def compose(parts, work):
    watch = Stopwatch()
    progress("making the guests' disk", always=True)
    program = os.path.join(work, "guest")
    source = os.path.join(TOP, PROGRAM)
    run(["gcc", "-static", "-O2", "-D_GNU_SOURCE", "-o", program,
         *(os.path.join(source, n) for n in sorted(os.listdir(source)) if n.endswith(".c"))],
        "compiling the guest's program (libc6-dev missing?)")
    run(["strip", program], "strip")
    out = os.path.join(work, "out")
    os.mkdir(out)
    for flavor in KERNELS:
        shutil.copytree(os.path.join(parts, flavor), os.path.join(out, flavor),
                        ignore=shutil.ignore_patterns("modules", "agent"))
        shutil.copytree(os.path.join(parts, flavor, "agent"), os.path.join(out, flavor, "modules"))
    shutil.copytree(os.path.join(parts, "grub"), out, dirs_exist_ok=True)
    initramfs(parts, work, program, os.path.join(out, "initrd"))
    debian_disk(parts, work, program, os.path.join(out, "debian.img"))
    size = sum(os.path.getsize(os.path.join(folder, n)) for folder, _, names in os.walk(out) for n in names)
    file_system(out, os.path.join(work, "guests.img"), (size >> 20) + 48, 0)
    progress(f"the guests' disk is made ({watch})", always=True)


def put_program(tree, program):
    os.makedirs(os.path.join(tree, "usr/sbin"), exist_ok=True)
    shutil.copy(program, os.path.join(tree, "usr/sbin/guest"))
    for name in ("poweroff", "reboot"):
        os.symlink("guest", os.path.join(tree, "usr/sbin", name))


def initramfs(parts, work, program, out):
    """One for every kernel: our program as /init, and modules by release. Not packed: that takes longer."""
    tree = os.path.join(work, "initramfs")
    put_program(tree, program)
    os.symlink("usr/sbin", os.path.join(tree, "sbin"))
    os.symlink("usr/sbin/guest", os.path.join(tree, "init"))
    for flavor in KERNELS:
        r = read(os.path.join(parts, flavor, "release")).decode()
        shutil.copytree(os.path.join(parts, flavor, "modules"), os.path.join(tree, "modules", r))
    with open(out, "wb") as f:
        subprocess.run(["sh", "-c", "find . | cpio -o -H newc --quiet"], cwd=tree, stdout=f, check=True)


def debian_disk(parts, work, program, out):
    """Debian's root on the one partition of a disk, with GRUB's menu."""
    tree = os.path.join(work, "root")
    shutil.copytree(os.path.join(parts, "root"), tree, symlinks=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "boot/grub"):
        os.makedirs(os.path.join(tree, name), exist_ok=True)
    put_program(tree, program)
    init = os.path.join(tree, "usr/sbin/init")
    with open(init, "w", encoding="ascii") as f:
        f.write(ROOT_INIT)
    os.chmod(init, 0o755)
    releases = [read(os.path.join(parts, flavor, "release")).decode() for flavor in KERNELS]
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as f:
        f.write(GRUB_CFG.format(entries="".join(GRUB_ENTRY.format(release=r) for r in releases)))
    file_system(tree, out, DISK_MIB, START_MIB)
    entry = struct.pack("<8BII", 0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff, START_MIB * 2048,
                        DISK_MIB * 2048)
    with open(out, "r+b") as disk:  # the master boot record: one Linux partition
        disk.seek(446)
        disk.write(entry)
        disk.seek(510)
        disk.write(b"\x55\xaa")


def file_system(tree, out, mib, start):
    """tree as ext4 of mib MiB in the file out, start MiB from its beginning."""
    with open(out, "wb") as f:
        f.truncate((start + mib) << 20)
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^resize_inode,^metadata_csum",
         "-m", "0", "-E", f"offset={start << 20},lazy_itable_init=1,root_owner=0:0", "-d", tree, out,
         f"{mib}m"], "mke2fs (e2fsprogs missing?)")
