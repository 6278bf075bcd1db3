/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes of each file: name, outcome, warnings. */
{"alpine-install-pv",
 "alpine-install pv 512M x1-1 "
 "/var/lib/xen/images/alpine/boot/vmlinuz-lts+/var/lib/xen/images/alpine/boot/initramfs-lts "
 "\"modules=loop,squashfs console=hvc0\" xvda=/data/alpine.img xvdc=/data/alpine.iso,ro,cd "
 "vif=xenbr0 destroy/restart/destroy",
 NULL},
	{"alpine-pvh",
	 "alpine-a1 pvh 256M x1 /media/cdrom/boot/vmlinuz-virt+/media/cdrom/boot/initramfs-virt "
	 "\"modules=loop,squashfs console=hvc0\" xvda=/data/a1.img "
	 "xvdc=/data/alpine-virt-3.18.0-x86_64.iso,ro,cd vif=br0 destroy/restart/destroy",
	 NULL},
	{"alpine-pygrub",
	 "refused: bootloader: boot loaders in dom0 are not supported; name a kernel, or GRUB's "
	 "Xen image; remove it, or leave it out with --ignore bootloader",
	 NULL},
	{"arch-pv",
	 "refused: vif \"mac=00:16:3e:XX:XX:XX,bridge=xenbr0\": mac \"00:16:3e:XX:XX:XX\": not of "
	 "the form 00:16:3e:12:34:56",
	 NULL},
	{"bom-only", "bom pv 64M x1 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"centos-xm-python",
	 "refused: x.cfg:2: near `os': syntax error, unexpected IDENT, expecting += or '='; write "
	 "key = value",
	 NULL},
	{"clickos",
	 "refused: on_start: an unknown key; correct it, or leave it out with --ignore on_start",
	 "vif: script \"vif-openvswitch\" is not run: chaosd puts the interface into its bridge "
	 "itself"},
	{"debian-wiki-pvgrub",
	 "wheezy pv 256M x1 /usr/lib/grub-xen/grub-x86_64-xen.bin xvda=/srv/xen/wheezy.img vif=br0 "
	 "destroy/restart/preserve",
	 NULL},
	{"debian-wiki-pvh",
	 "refused: on_xend_start: an unknown key; correct it, or leave it out with --ignore "
	 "on_xend_start",
	 NULL},
	{"disk-twice",
	 "refused: disk: /dev/vg/a is given twice; that is possible only if both are read-only",
	 NULL},
	{"drbd",
	 "refused: disk \"drbd:ha-disk,xvda,w\": script \"block-drbd\": scripts for disks are not "
	 "run; make the block device first and name it as target",
	 NULL},
	{"fewer-maxvcpus", "refused: maxvcpus 2: less than vcpus, which is 4", NULL},
	{"freebsd-pvh",
	 "freebsd pvh 4096M x4 /boot/kernel/kernel "
	 "\"vfs.root.mountfrom=ufs:/dev/ada0p2,boot_serial=1\" hda=/dev/zvol/zroot/freebsd "
	 "vif=bridge0 destroy/restart/destroy",
	 "these keys have no effect on PV and PVH guests: serial"},
	{"gentoo-pv",
	 "gentoo pv 512M x1 /mnt/data/xen/kernel/kernel-x86-v4.9.16-xen-guest \"root=/dev/xvda1 "
	 "ro\" xvda1=/mnt/data/xen/disk/gentoo.ext4.img vif=xenbr0,00:16:3e:00:00:0a "
	 "destroy/restart/destroy",
	 NULL},
	{"grub-pvh-uefi",
	 "refused: firmware: firmware images are not supported; remove it, or leave it out with "
	 "--ignore firmware",
	 NULL},
	{"halvm", "HaLVM pv 1M x1 /home/me/./Hello destroy/restart/destroy",
	 "seclabel \"system_u:system_r:domU_t\": this Xen has no XSM, and no labels"},
	{"hotplug-cpus", "grow pv 1024-4096M x2-8 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"libvirt-export-pv",
	 "refused: parallel: an unknown key; correct it, or leave it out with --ignore parallel",
	 "vif: script \"vif-bridge\" is not run: chaosd puts the interface into its bridge itself"},
	{"lists-over-lines",
	 "lists pv 64M x1 /boot/vmlinuz vif=br0 vif=br1 xvda=/dev/vg/a xvdc=/dev/vg/c,ro "
	 "destroy/restart/destroy",
	 NULL},
	{"many-unsupported",
	 "refused: pci: PCI passthrough is not supported; usbctrl: USB is not supported; usbdev: "
	 "USB is not supported; vtpm: vTPMs are not supported; channel: channels are not "
	 "supported; correct or remove them, or leave them out with --ignore "
	 "pci,usbctrl,usbdev,vtpm,channel",
	 NULL},
	{"memory-units", "units pv 2048-4096M x1 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"mini-os-noquotes",
	 "refused: x.cfg:1: near `Mini-OS': lexical error; a text must be in quotes", NULL},
	{"mini-os", "Mini-OS pv 32M x1 /home/me/mini-os.gz destroy/restart/destroy", NULL},
	{"mirage",
	 "static-website pvh 32M x1 /home/me/unikernels/static_website.xen vif=br0 "
	 "destroy/restart/preserve",
	 NULL},
	{"netbsd-pv-xvda",
	 "nbsd pv 64M x1 /home/xen/netbsd-XEN3_DOMU \"root=xbd0a\" vif=bridge0,00:16:3e:00:00:11 "
	 "xvda=/home/xen/nbsd-disk destroy/restart/destroy",
	 NULL},
	{"netbsd-pv",
	 "nbsd pv 64M x1 /home/xen/netbsd-XEN3_DOMU \"root=/dev/wd0d\" "
	 "vif=bridge0,00:16:3e:00:00:11 1=/home/xen/nbsd-disk destroy/restart/destroy",
	 NULL},
	{"neutral", "neutral pv 256M x1-1 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"nixos-pv",
	 "nixos-pv pv 1024M x2 /var/xen/nixos/kernel+/var/xen/nixos/initrd "
	 "\"init=/nix/var/nix/profiles/system/init root=/dev/xvda1\" xvda1=/dev/zvol/tank/nixos "
	 "vif=br0 destroy/restart/destroy",
	 NULL},
	{"nixos-pvh",
	 "nixos pvh 128-256M x4 "
	 "/nix/store/0sxl7m5f3q1a8bhf7q1hnrq0p2k4v0c6-linux-6.6.32/bzImage+/nix/store/"
	 "9n2x1s0m3c7rgkdlw2b5bq3p7z6i8a4d-initrd-linux-6.6.32/initrd "
	 "\"init=/nix/store/7k3c-nixos-system-nixos-24.05/init console=hvc0 loglevel=4 "
	 "net.ifnames=0\" xvda=/var/lib/xen/images/nixos.raw vif=xenbr0,00:16:3e:4e:69:78 "
	 "destroy/restart/destroy",
	 "vif: model \"virtio\" has no effect"},
	{"no-kernel", "refused: kernel: not given; name the image to boot", NULL},
	{"no-newline-at-end", "short pv 64M x1 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"old-pvh-key",
	 "pvh-of-xen-4.4 pvh 256M x1 /boot/vmlinuz \"console=hvc0\" destroy/restart/destroy", NULL},
	{"one-line", "one pv 64M x2 /boot/vmlinuz vif=br0 destroy/restart/destroy", NULL},
	{"openvswitch",
	 "ovs-guest pv 1024M x1 /boot/guest/vmlinuz+/boot/guest/initrd \"root=/dev/xvda1 ro\" "
	 "vif=ovsbr0,00:16:3e:00:00:10 vif=ovsbr0.20 xvda1=/dev/mapper/vg-ovs "
	 "destroy/restart/destroy",
	 "vif: script \"vif-openvswitch\" is not run: chaosd puts the interface into its bridge "
	 "itself | vif: script \"vif-openvswitch\" is not run: chaosd puts the interface into its "
	 "bridge itself"},
	{"osv",
	 "osv pvh 512M x1 /srv/osv/loader.elf \"--ip=eth0,10.0.0.5,255.255.255.0 /hello\" "
	 "vif=virbr0 xvda=/srv/osv/usr.img destroy/restart/destroy",
	 NULL},
	{"pinned-list", "rt pv 64M x2 cpus=2;3 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"pinned-nodes", "numa pv 64M x4 cpus=0-1;1;2-3;1,3 /boot/vmlinuz destroy/restart/destroy",
	 NULL},
	{"pinned-string", "rt pv 64M x4-8 cpus=1-3 /boot/vmlinuz destroy/restart/destroy", NULL},
	{"pinned-too-far", "refused: cpus \"4-7\": this host has no CPU 4; it has 0-3", NULL},
	{"plus-equals",
	 "plus pv 64M x1 /boot/vmlinuz \"a b\" vif=br0 vif=br1 xvda=/dev/vg/a "
	 "destroy/restart/destroy",
	 NULL},
	{"pv-driver-domain",
	 "refused: driver_domain: driver domains are not supported; pci: PCI passthrough is not "
	 "supported; correct or remove them, or leave them out with --ignore driver_domain,pci",
	 NULL},
	{"qcow2-upper",
	 "refused: disk \"format=QCOW2, vdev=xvda, access=rw, target=/var/lib/xen/cloud.qcow2\": "
	 "unknown value for format: near `QCOW2'; the only one is raw: convert others with "
	 "\"qemu-img convert -O raw\"",
	 NULL},
	{"qcow2",
	 "refused: disk \"format=qcow2, vdev=xvda, access=rw, target=/var/lib/xen/cloud.qcow2\": "
	 "format \"qcow2\": only raw disks are possible; convert it with \"qemu-img convert -O "
	 "raw\"",
	 NULL},
	{"qubes-appvm",
	 "refused: vif "
	 "\"ip=10.137.0.12,mac=00:16:3e:5e:6c:00,script=vif-route-qubes,backend=sys-firewall\": "
	 "backend \"sys-firewall\": driver domains are not supported; backends are in dom0",
	 "vif: script \"vif-route-qubes\" is not run: addresses and routes are for you to set"},
	{"qubes-netvm-off",
	 "vault pvh 400-4000M x2-2 "
	 "/var/lib/qubes/vm-kernels/5.15.94-1/vmlinuz+/var/lib/qubes/vm-kernels/5.15.94-1/"
	 "initramfs \"root=/dev/mapper/dmroot ro nomodeset console=hvc0 swiotlb=2048\" "
	 "xvda=/dev/mapper/snapshot-root,ro xvdb=/dev/qubes_dom0/vm-vault-private "
	 "destroy/destroy/destroy",
	 NULL},
	{"qubes-sys-net", "refused: type \"hvm\": chaos runs pv and pvh guests only", NULL},
	{"routed", "routed pv 256M x1 /boot/vmlinuz vif= vif=br1 destroy/restart/destroy",
	 "vif: script \"vif-route\" is not run: addresses and routes are for you to set | vif: "
	 "gatewaydev \"eth0\" has no effect"},
	{"rumprun", "refused: vif \"xenif\": \"xenif\": not a key of a vif", NULL},
	{"said-twice", "second pv 128M x1 /boot/vmlinuz vif=br1 vif=br2 destroy/restart/destroy",
	 NULL},
	{"save-image",
	 "refused: on_crash \"coredump-restart\": use destroy, restart, rename-restart or preserve",
	 NULL},
	{"suse-pvh",
	 "refused: description: an unknown key; correct it, or leave it out with --ignore "
	 "description",
	 NULL},
	{"tabs-and-blanks", "tabs pv 64M x1 /boot/vmlinuz vif=br0 destroy/restart/destroy", NULL},
	{"timer-keys", "timer pvh 64M x1 /boot/vmlinuz destroy/restart/destroy",
	 "these keys have no effect on PV and PVH guests: hpet, apic, acpi, nx, hap, oos, "
	 "shadow_memory"},
	{"typos",
	 "refused: kernal, memery, vcpu, vifs: unknown keys; correct or remove them, or leave them "
	 "out with --ignore kernal,memery,vcpu,vifs",
	 NULL},
	{"ubuntu-netboot",
	 "ubud1 pv 512M x1 "
	 "/var/lib/xen/images/ubuntu-netboot/trusty14LTS/vmlinuz+/var/lib/xen/images/"
	 "ubuntu-netboot/trusty14LTS/initrd.gz vif=xenbr0 xvda=/dev/vg0/ubud1 "
	 "destroy/restart/destroy",
	 NULL},
	{"unclosed-list",
	 "refused: x.cfg:4: near `': syntax error, unexpected $end, expecting ']'; a list is not "
	 "closed",
	 NULL},
	{"unclosed",
	 "refused: x.cfg:1: near `\"unclosed': lexical error; its quote does not end on that line",
	 NULL},
	{"unikraft",
	 "refused: p9: 9p shares are not supported; remove it, or leave it out with --ignore p9",
	 NULL},
	{"utf8-comments",
	 "web pv 64M x1 /boot/vmlinuz \"motd=gr\xc3"
	 "\xb6"
	 "\xc3"
	 "\x9f"
	 "e\" destroy/restart/destroy",
	 NULL},
	{"windows-editor-wrong",
	 "refused: x.cfg:4: near `two': syntax error, unexpected IDENT, expecting STRING or NUMBER "
	 "or '['; a text must be in quotes",
	 NULL},
	{"windows-editor",
	 "crlf pvh 256M x1 /boot/vmlinuz \"console=hvc0\" vif=xenbr0 vif=xenbr1 "
	 "destroy/restart/destroy",
	 NULL},
	{"windows-hvm",
	 "refused: builder \"hvm\": chaos runs pv and pvh guests only; use type=", NULL},
	{"xen-orchestra-uuid",
	 "refused: uuid \"9f2c0e64\": not of the form 01234567-89ab-cdef-0123-456789abcdef", NULL},
	{"xen-tools-pv",
	 "web1.example.org pv 512M x1 "
	 "/boot/vmlinuz-5.10.0-11-amd64+/boot/initrd.img-5.10.0-11-amd64 \"root=/dev/xvda2 ro "
	 "elevator=noop\" xvda2=/dev/vg0/web1.example.org-disk "
	 "xvda1=/dev/vg0/web1.example.org-swap vif=xenbr0,00:16:3e:5a:72:0b "
	 "destroy/restart/restart",
	 NULL},
	{"xen-tools-pygrub",
	 "refused: dhcp: an unknown key; bootloader: boot loaders in dom0 are not supported; name "
	 "a kernel, or GRUB's Xen image; correct or remove them, or leave them out with --ignore "
	 "dhcp,bootloader",
	 NULL},
	{"xlexample-hvm", "refused: type \"hvm\": chaos runs pv and pvh guests only", NULL},
	{"xlexample-pvhlinux",
	 "example.pvhlinux pvh 512-1024M x2 /boot/vmlinuz \"root=/dev/xvda1 console=hvc0\" "
	 "vif=xenbr0 xvda=/dev/vg/guest-volume destroy/restart/destroy",
	 NULL},
	{"xlexample-pvlinux",
	 "example.pvlinux pv 128M x2 /boot/vmlinuz \"root=/dev/xvda1\" vif=xenbr0 "
	 "xvda=/dev/vg/guest-volume destroy/restart/destroy",
	 NULL},
	{"xm-old-keys-fixed",
	 "ExampleDomain pv 64M x1 /boot/vmlinuz-2.6.18-xenU \"root=/dev/hda1 ro 4\" "
	 "vif=xenbr0,00:16:3e:00:00:11 hda1=/dev/hda1 destroy/restart/destroy",
	 NULL},
	{"xm-old-keys",
	 "refused: dhcp, netmask, gateway, hostname, on_xend_start, on_xend_stop: unknown keys; "
	 "correct or remove them, or leave them out with --ignore "
	 "dhcp,netmask,gateway,hostname,on_xend_start,on_xend_stop",
	 NULL},
	{"yaml-like", "refused: x.cfg:1: near `:': lexical error; write key = value", NULL},
