/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client says of a network or block device: plain data, with checks and copies. */
#ifndef CHAOS_ENGINE_DEVICE_CONFIG_H
#define CHAOS_ENGINE_DEVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VM_VIFS_MAX	   8u /* of one VM; both together are at most noxs/abi.h's NOXS_MAX_DEVICES */
#define VM_VBDS_MAX	   8u
#define DEVICE_NAME	   16u	      /* of a network interface, with NUL: Linux' IFNAMSIZ */
#define DEVICE_ANY	   UINT32_MAX /* the next free device id */
#define VIF_DEVID_MAX	   255u	      /* of a vif that is given its device id */
#define VIF_BRIDGE_DEFAULT "xenbr0"   /* xl's, too */
#define VIF_NETNS_MAX	   128u	      /* of a path, with NUL */

enum device_kind { DEVICE_VIF, DEVICE_VBD };
#define DEVICE_KINDS 2u
const char *device_kind_name(enum device_kind kind); /* "vif", "vbd" */
const char *device_kind_word(enum device_kind kind); /* as a configuration says it: "vif", "disk" */
int device_kind_parse(const char *name, enum device_kind *out); /* "vif", "vbd"; -EINVAL */

enum device_backend { BACKEND_KERNEL, BACKEND_USER };
#define DEVICE_BACKENDS 2u
const char *device_backend_name(enum device_backend b); /* "kernel", "user" */

/* IP settings that a noxs guest finds in its device page; prefix 0: none of that family. */
struct vif_ip {
	bool dhcp;
	uint8_t ipv4[4], ipv4_gateway[4]; /* network byte order */
	uint8_t ipv6[16], ipv6_gateway[16];
	uint8_t ipv4_prefix, ipv6_prefix; /* bits */
};

struct vif_config {
	uint8_t mac[6]; /* all zero: made of the VM's uuid and devid, in 00:16:3e */
	uint32_t mtu;	/* 0: the bridge's or peer's, or 1500 */
	char bridge[DEVICE_NAME];
	char ifname[DEVICE_NAME];  /* of the backend in dom0, "" = vif<domid>.<devid> */
	char netns[VIF_NETNS_MAX]; /* the backend goes into this namespace, "": it stays */
	char peer[DEVICE_NAME];	   /* the interface there whose packets are the guest's */
	uint64_t rate_bytes;	   /* per rate_us; 0: no limit */
	uint32_t rate_us;
	struct vif_ip ip;
	char ip_text[128]; /* as it was said: what a backend's node `ip` gets */
};

struct vbd_config {
	char *path;    /* absolute; a block device or a raw file; malloced */
	char *or_path; /* tried when nothing is at `path`, and becomes it; malloced; NULL: none */
	int fd;	       /* open, or -1: then the engine opens `path`; owned */
	bool readonly;
	bool cdrom;
	bool discard; /* offer it where the file or device can */
	/* The engine's: what it was when it was opened last, a block device's number and 0, or a
	 * file's device and inode; dev 0: not known. */
	uint64_t dev, ino;
	uint64_t sectors; /* of 512 bytes, likewise; 0: not known */
	/* A VM that is restored: its file must not have been written after that, in ns since 1970;
	 * 0: it may. Not recorded. */
	uint64_t same_since_ns;
	/* When it was written last, as it was opened last, likewise; 0: not known. Not recorded. */
	uint64_t written_ns;
};

struct device_config {
	enum device_kind kind;
	/* vif: 0.. or DEVICE_ANY; vbd: Xen's number of the virtual disk, 51712 = xvda */
	uint32_t devid;
	enum device_backend backend;
	union {
		struct vif_config vif;
		struct vbd_config vbd;
	} u;
};

void device_config_init(struct device_config *d, enum device_kind kind);
void device_config_clear(struct device_config *d);
/* -ENOMEM; then `to` is cleared. Files are not copied: fd -1. */
int device_config_copy(struct device_config *to, const struct device_config *from);

/* What is behind it, of a kind that has a file; else NULL. */
const struct vbd_config *device_file(const struct device_config *d);
struct vbd_config *device_change_file(struct device_config *d);
/* Of a copy of its VM: what two VMs must not both have is left open again. */
void device_make_own(struct device_config *d);

/* "xvda", "xvda1", "sda", "hdc", "d0p1", "51712" or "0xca00": xl-disk-configuration(5) and
 * xen-vbd-interface(7). -EINVAL. */
int vdev_parse(const char *text, uint32_t *vdev);
/* The name Linux gives it ("xvda"), or the number. */
void vdev_name(uint32_t vdev, char out[16]);

/* What a device can say wrong alone, and beside those that a VM has: ids, MACs and names taken, or
 * too many. -EINVAL, -EEXIST or -E2BIG. */
int device_config_check(const struct device_config *d, const struct device_config *other,
			uint32_t nother, struct err *e);

#endif
