# SPDX-License-Identifier: BSD-3-Clause
# Makes the disk of container engines for dom0: a root tree with podman, docker and containerd, and modules of dom0's kernel.
import os
import struct
import subprocess
import tempfile

from . import image
from .common import HERE, Stopwatch, cache_dir, locked, need_programs, need_space, progress
from .guests import digest, make, prune, read

BUILD_MIB = 4000
DISK_MIB = 3072  # sparse: what is left is for engines' images and containers
KERNEL = ("linux-image-", "xen-hypervisor-", "xen-utils-")  # of dom0's packages: not in this tree

# What of the kernel's package is kept, of all its modules: the rest is drivers of devices that are not there.
MODULES = "net fs/overlayfs fs/erofs fs/squashfs fs/fuse fs/9p fs/netfs fs/fscache fs/nls fs/ext4 fs/jbd2 fs/mbcache.ko " \
    "lib crypto arch drivers/net drivers/block drivers/xen drivers/virtio"
NO_MODULES = "net/wireless net/mac80211 net/bluetooth net/can net/batman-adv net/nfc net/ax25 net/rose net/dccp net/sctp " \
    "net/rxrpc net/tipc net/smc net/openvswitch drivers/net/wireless drivers/net/ethernet drivers/net/usb drivers/net/can " \
    "drivers/net/hamradio drivers/net/wwan drivers/net/arcnet drivers/net/fddi drivers/net/phy arch/x86/kvm"


def release(vmlinuz):
    """Its release, as the boot protocol's header says it (Linux Documentation/x86/boot)."""
    kernel = read(vmlinuz)
    begin = struct.unpack_from("<H", kernel, 0x20e)[0] + 0x200
    return kernel[begin:kernel.index(b"\0", begin)].split()[0].decode()


def packages(suite):
    names = [name for name in image.packages(suite) if not name.startswith(KERNEL)]
    return sorted({*names, *image.packages("engines")})


def ensure(suite, folder):
    """The file that is dom0's third disk; made when it is not there. folder: dom0's image."""
    base = cache_dir()
    kernel = release(os.path.join(folder, "vmlinuz"))
    parts = [read(os.path.join(HERE, name)) for name in ("xblib/engines.py", "pack-engines", "enter")]
    key = digest(suite.encode(), kernel.encode(), " ".join(packages(suite)).encode(), *parts)
    path = os.path.join(base, f"engines-{suite}-{key}")
    if os.path.exists(path):
        os.utime(path)
        return path
    need_programs()
    with locked(os.path.join(base, "engines.lock"), "makes the engines' disk"):
        if not os.path.exists(path):
            need_space(base, BUILD_MIB, "making the engines' disk")
            make(base, path, lambda work: build(suite, kernel, work), result="engines.img")
            prune(base, f"engines-{suite}-", path)
    return path


def build(suite, kernel, work):
    watch = Stopwatch()
    progress("making the disk of container engines, once; this takes 1-3 minutes", always=True)
    out = os.path.join(work, "engines.img")
    with open(out, "wb"):
        pass
    if os.geteuid() != 0:  # mmdebstrap's root is another user then
        os.chmod(work, 0o711)
        os.chmod(out, 0o666)
    settings = {"OUT": out, "RELEASE": kernel, "MODULES": MODULES, "NO_MODULES": NO_MODULES, "DISK_MIB": DISK_MIB,
                "ENTER": os.path.join(HERE, "enter")}
    argv = ["mmdebstrap", "--mode=root" if os.geteuid() == 0 else "--mode=unshare", "--variant=minbase",
            "--format=null", "--dpkgopt=force-unsafe-io", "--include=" + ",".join(packages(suite)),
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
            f"--customize-hook={os.path.join(HERE, 'pack-engines')}", suite, "-", "-"]
    with tempfile.TemporaryFile() as listing:
        listing.write(b"\n".join(read(name) for name in image.sources()))
        listing.seek(0)
        image.run(argv, "mmdebstrap (the engines' root tree)", stdin=listing,
                  env={**os.environ, **{name: str(value) for name, value in settings.items()}})
    subprocess.run(["fallocate", "--dig-holes", out], check=False, capture_output=True)  # cheaper to copy
    progress(f"the engines' disk is made ({watch})", always=True)
