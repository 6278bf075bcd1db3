# SPDX-License-Identifier: BSD-3-Clause
# Makes dom0's images (hypervisor, kernel, root tree as initramfs), cached by what goes into them.
import hashlib
import os
import shutil
import subprocess
import tempfile

from .common import (HERE, MISSING, NOT_UP, Failure, Stopwatch, cache_dir, locked, need_programs,
                     need_space, progress)

SUITES = ("bookworm", "trixie")
BUILD_MIB = 3000
KEEP = 2  # images of older contents that stay in the cache

# Modules that dom0 keeps, with all they depend on.
MODULES = """xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-netback xen-blkback tun bridge
loop virtio_pci virtio_blk virtio_net virtio_console virtio_rng veth xen-netfront xen-blkfront
ext4 crc32c_generic 8021q af_packet nf_tables""".split()

# What a minimal dom0 never opens.
DROP = """usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n usr/share/zoneinfo
usr/share/perl usr/share/perl5 usr/lib/x86_64-linux-gnu/perl usr/lib/x86_64-linux-gnu/gconv
usr/lib/python3 usr/lib/python3.11 usr/lib/python3.13 usr/share/python3 var/lib/apt var/cache/apt
var/cache/debconf var/lib/dpkg/info usr/lib/xen-4.17/boot usr/lib/debug boot/grub
usr/share/qemu usr/lib/grub""".split()


def packages(suite):
    path = os.path.join(HERE, f"packages.{suite}")
    if not os.path.exists(path):
        raise Failure(2, f"--suite {suite}: no package list {path}; known: bookworm")
    with open(path, encoding="ascii") as table:
        return [line.strip() for line in table if line.strip() and not line.startswith("#")]


def key(suite):
    """A name that changes with everything an image is made of."""
    digest = hashlib.sha256(suite.encode())
    for name in ("agent.c", "init", "unpack", f"packages.{suite}", "xblib/image.py"):
        with open(os.path.join(HERE, name), "rb") as part:
            digest.update(part.read())
    return f"{suite}-{digest.hexdigest()[:16]}"


def ensure(suite):
    """The folder with xen, vmlinuz and root.cpio.zst; built when it is not there."""
    packages(suite)
    base = cache_dir()
    path = os.path.join(base, key(suite))
    if os.path.exists(os.path.join(path, "done")):
        os.utime(path)
        return path
    need_programs()
    with locked(os.path.join(base, "build.lock"), "builds the images"):
        if not os.path.exists(os.path.join(path, "done")):
            need_space(base, BUILD_MIB, "building the images")
            build(suite, base, path)
            prune(base, suite, path)
    return path


def prune(base, suite, keep):
    old = [os.path.join(base, name) for name in os.listdir(base)
           if name.startswith(f"{suite}-") and os.path.isdir(os.path.join(base, name))]
    old = sorted((p for p in old if p != keep), key=os.path.getmtime, reverse=True)
    for path in old[KEEP - 1:]:
        shutil.rmtree(path, ignore_errors=True)


def run(argv, what, **more):
    done = subprocess.run(argv, stdin=more.pop("stdin", subprocess.DEVNULL), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        tail = done.stdout.decode(errors="replace").strip().splitlines()[-15:]
        raise Failure(NOT_UP, f"{what} failed:\n  " + "\n  ".join(tail))
    return done.stdout


def sources():
    """apt's sources of this machine in deb822 form or one-line form, as mmdebstrap takes them."""
    found = []
    folder = "/etc/apt/sources.list.d"
    names = [os.path.join(folder, n) for n in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    for path in ["/etc/apt/sources.list"] + names:
        if path.endswith((".sources", ".list")) and os.path.exists(path):
            with open(path, encoding="utf-8") as handle:
                text = handle.read()
            if "debian" in text and os.path.getsize(path):
                found.append(path)
    if not found:
        raise Failure(MISSING, "no Debian sources in /etc/apt: apt-get update must work first")
    return found


def build(suite, base, path):
    watch = Stopwatch()
    work = tempfile.mkdtemp(prefix="making-", dir=base)
    try:
        progress(f"making the {suite} images, once; this takes 2-4 minutes", always=True)
        root = os.path.join(work, "root")
        argv = ["mmdebstrap", "--mode=root" if os.geteuid() == 0 else "--mode=unshare",
                "--variant=minbase", "--include=" + ",".join(packages(suite)),
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*", suite, root]
        text = b""
        for name in sources():
            with open(name, "rb") as handle:
                text += handle.read() + b"\n"
        source = os.path.join(work, "sources")
        with open(source, "wb") as handle:
            handle.write(text)
        with open(source, "rb") as handle:
            run(argv + ["-"], "mmdebstrap (the root tree)", stdin=handle)
        progress(f"root tree made ({watch}); packing", always=True)
        pack(root, work)
        shutil.rmtree(root)
        os.unlink(source)
        with open(os.path.join(work, "done"), "w", encoding="ascii"):
            pass
        if os.path.exists(path):
            shutil.rmtree(path)
        os.rename(work, path)
        progress(f"images ready ({watch})", always=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def one(folder, prefix, suffix=""):
    names = sorted(n for n in os.listdir(folder) if n.startswith(prefix) and n.endswith(suffix))
    if not names:
        raise Failure(NOT_UP, f"the root tree has no {prefix}*{suffix} in {folder}")
    return names[-1]


def pack(root, work):
    boot = os.path.join(root, "boot")
    xen = one(boot, "xen-", ".gz")
    kernel = one(boot, "vmlinuz-")
    with open(os.path.join(work, "xen"), "wb") as out:
        subprocess.run(["zcat", os.path.join(boot, xen)], stdout=out, check=True)
    shutil.copyfile(os.path.join(boot, kernel), os.path.join(work, "vmlinuz"))
    trim_modules(root, kernel.removeprefix("vmlinuz-"))
    for name in os.listdir(boot):
        if not name.startswith("vmlinuz-"):
            os.unlink(os.path.join(boot, name)) if not os.path.isdir(os.path.join(boot, name)) else None
    for name in DROP:
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    run(["gcc", "-static", "-O2", "-D_GNU_SOURCE", "-o", os.path.join(root, "sbin/xenbed-agent"),
         os.path.join(HERE, "agent.c"), "-lutil"], "compiling the agent (libc6-dev missing?)")
    shutil.copy(os.path.join(HERE, "init"), os.path.join(root, "init"))
    shutil.copy(os.path.join(HERE, "unpack"), os.path.join(root, "etc/xenbed-unpack"))
    for applet in ("blockdev", "vi", "less", "nc", "ping", "ip6tables"):
        target = os.path.join(root, "usr/local/bin", applet)
        if not os.path.exists(target):
            os.symlink("/bin/busybox", target)
    with open(os.path.join(root, "etc/group"), "a", encoding="ascii") as group:
        group.write("chaos:x:990:\n")
    run(["ldconfig", "-r", root], "ldconfig")
    command = "find . -print0 | cpio --null -o -H newc --quiet | zstd -q -3 -T0"
    with open(os.path.join(work, "root.cpio.zst"), "wb") as out:
        subprocess.run(["sh", "-c", command], cwd=root, stdout=out, check=True)


def trim_modules(root, release):
    """Keeps MODULES and what they need; a full module tree would be most of the image."""
    tree = os.path.join(root, "lib/modules", release)
    wanted = {}
    with open(os.path.join(tree, "modules.dep"), encoding="ascii") as deps:
        for line in deps:
            module, _, needs = line.partition(":")
            name = os.path.basename(module).split(".ko")[0].replace("-", "_")
            wanted[name] = (module, needs.split())
    keep = set()
    for name in MODULES:
        if name.replace("-", "_") in wanted:
            module, needs = wanted[name.replace("-", "_")]
            keep.update([module, *needs])
    for folder, _, names in os.walk(os.path.join(tree, "kernel")):
        for name in names:
            full = os.path.join(folder, name)
            if os.path.relpath(full, tree) not in keep:
                os.unlink(full)
    run(["depmod", "-b", root, release], "depmod")
