/* SPDX-License-Identifier: BSD-3-Clause */
/* Network and block devices of VMs as clients say and see them: part of engine.h. */
#ifndef CHAOS_DEVICES_H
#define CHAOS_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct vm;

#define VM_VIFS_MAX	   8u /* of one VM; both together are at most noxs/abi.h's NOXS_MAX_DEVICES */
#define VM_VBDS_MAX	   8u
#define DEVICE_NAME	   16u	      /* of a network interface, with NUL: Linux' IFNAMSIZ */
#define DEVICE_ANY	   UINT32_MAX /* the next free device id */
#define VIF_DEVID_MAX	   255u	      /* of a vif that is given its device id */
#define VIF_BRIDGE_DEFAULT "xenbr0"   /* xl's, too */

enum device_kind { DEVICE_VIF, DEVICE_VBD };
#define DEVICE_KINDS 2u
const char *device_kind_name(enum device_kind kind); /* "vif", "vbd" */
const char *device_kind_word(enum device_kind kind); /* as a configuration says it: "vif", "disk" */
int device_kind_parse(const char *name, enum device_kind *out); /* "vif", "vbd"; -EINVAL */

enum device_backend { BACKEND_KERNEL, BACKEND_USER };
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
	uint32_t mtu;	/* 0: the bridge's, or 1500 */
	char bridge[DEVICE_NAME];
	char ifname[DEVICE_NAME]; /* of the backend in dom0, "" = vif<domid>.<devid> */
	uint64_t rate_bytes;	  /* per rate_us; 0: no limit */
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

/* "xvda", "xvda1", "sda", "hdc", "d0p1", "51712" or "0xca00": xl-disk-configuration(5) and
 * xen-vbd-interface(7). -EINVAL. */
int vdev_parse(const char *text, uint32_t *vdev);
/* The name Linux gives it ("xvda"), or the number. */
void vdev_name(uint32_t vdev, char out[16]);

/* What a device can say wrong alone, and beside those that a VM has: ids, MACs and names taken, or
 * too many. -EINVAL, -EEXIST or -E2BIG. */
int device_config_check(const struct device_config *d, const struct device_config *other,
			uint32_t nother, struct err *e);

/* --- of a living VM
 * ---------------------------------------------------------------------------------------------- */

enum device_state {
	DEVICE_WAITING,	  /* for the frontend or the backend */
	DEVICE_CONNECTED, /* both ends */
	DEVICE_DETACHING,
	DEVICE_BROKEN, /* ended because of what the guest did, or what failed; `reason` says */
	DEVICE_ENDED,  /* with its VM */
};
const char *device_state_name(enum device_state s); /* "waiting", "connected", ... */

/* Strings live until the next call into the engine. */
struct device_info {
	const struct device_config *config; /* MAC, MTU and device id are filled in */
	enum device_state state;
	const char *ifname; /* vif: in dom0, "" before it is there */
	uint64_t sectors;   /* vbd: of 512 bytes */
	const char *reason; /* of a broken one, else "" */
};
void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg);

/* rc 0: it is there (a guest that does not look for it leaves it waiting); else `e` says why, and
 * nothing is left. Comes once, on the loop, possibly before the call returns. */
typedef void device_fn(void *arg, int rc, const struct device_info *d, const struct err *e);

/* Takes what is in `d` (it is cleared). Bridge or file must be there and not in use, MAC and names
 * not taken; what a device has that is leaving is waited for. -EOPNOTSUPP for noxs guests, which
 * have no room for one. */
void vm_attach(struct vm *vm, struct device_config *d, device_fn *fn, void *arg);
/* Asks the guest to let go and waits for that, at most some seconds; `force` does not wait. */
void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg);

#endif
