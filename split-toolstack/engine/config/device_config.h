/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of a network or block device: plain data, with checks and copies. */
#ifndef CHAOS_ENGINE_DEVICE_CONFIG_H
#define CHAOS_ENGINE_DEVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VM_VIFS_MAX	   8u /* per VM; both together are at most noxs/abi.h's NOXS_MAX_DEVICES */
#define VM_VBDS_MAX	   8u
#define VM_DEVICES_MAX	   (VM_VIFS_MAX + VM_VBDS_MAX)
#define DEVICE_NAME	   16u	      /* of a network interface, with NUL: Linux' IFNAMSIZ */
#define DEVICE_ANY	   UINT32_MAX /* use the next free device id */
#define VIF_DEVID_MAX	   255u	      /* largest device id that can be configured for a vif */
#define VIF_BRIDGE_DEFAULT "xenbr0"   /* the same as xl's default */
#define VIF_NETNS_MAX	   128u	      /* of a path, with NUL */

/* All kinds: KIND(name, NUMBER). For each of them there are `struct NAME_config` below,
 * NAME_config_ops (config/NAME_config.c), NAME_ops (engine/devices/) and vmcfg_NAME_ops (vmcfg/).
 * The numbers are in records: add a new kind at the end. */
#define DEVICE_KINDS_ALL(KIND)		 KIND(vif, VIF) KIND(vbd, VBD)
#define DEVICE_KIND_NUMBER(name, NUMBER) DEVICE_##NUMBER,
#define DEVICE_KIND_ONE(name, NUMBER)	 +1u
enum device_kind { DEVICE_KINDS_ALL(DEVICE_KIND_NUMBER) };
#define DEVICE_KINDS (DEVICE_KINDS_ALL(DEVICE_KIND_ONE))
const char *device_kind_name(enum device_kind kind); /* "vif", "vbd" */
const char *device_kind_word(enum device_kind kind); /* the key in a configuration: "vif", "disk" */
int device_kind_parse(const char *name, enum device_kind *out);	  /* "vif", "vbd"; -EINVAL */
int device_kind_by_word(const char *word, enum device_kind *out); /* "vif", "disk"; -EINVAL */

/* All backends: BACKEND(name, NUMBER, whether its vifs are interfaces of Linux, which can be moved
 * into another network namespace). Their rows are in engine/devices/. The numbers are in records,
 * which have room for 4. */
#define DEVICE_BACKENDS_ALL(BACKEND)		   BACKEND(kernel, KERNEL, true) BACKEND(user, USER, false)
#define DEVICE_BACKEND_NUMBER(name, NUMBER, links) BACKEND_##NUMBER,
#define DEVICE_BACKEND_ONE(name, NUMBER, links)	   +1u
enum device_backend { DEVICE_BACKENDS_ALL(DEVICE_BACKEND_NUMBER) };
#define DEVICE_BACKENDS (DEVICE_BACKENDS_ALL(DEVICE_BACKEND_ONE))
const char *device_backend_name(enum device_backend b); /* "kernel", "user" */
bool device_backend_links(enum device_backend b);	/* its vifs are interfaces of Linux */

/* IP settings for the device page of a noxs guest; prefix 0: no address of that family. */
struct vif_ip {
	bool dhcp;
	uint8_t ipv4[4], ipv4_gateway[4]; /* network byte order */
	uint8_t ipv6[16], ipv6_gateway[16];
	uint8_t ipv4_prefix, ipv6_prefix; /* bits */
};

struct vif_config {
	uint8_t mac[6]; /* all zero: generated from the VM's uuid and devid, in 00:16:3e */
	uint32_t mtu;	/* 0: that of the bridge or peer, or 1500 */
	char bridge[DEVICE_NAME];
	char ifname[DEVICE_NAME];  /* name of the backend's interface in dom0; "" =
				      vif<domid>.<devid> */
	char netns[VIF_NETNS_MAX]; /* the backend's interface is moved into this network namespace;
				      "": it is not */
	char peer[DEVICE_NAME];	   /* the interface in that namespace that the guest replaces */
	uint64_t rate_bytes;	   /* per rate_us; 0: no limit */
	uint32_t rate_us;
	struct vif_ip ip;
	char ip_text[128]; /* as given by the client; written to the backend's node `ip` */
};

struct vbd_config {
	char *path;    /* absolute path of a block device or raw file; malloced */
	char *or_path; /* used, and becomes `path`, if `path` does not exist; malloced; NULL: none
			*/
	int fd;	       /* open file, which belongs to this structure; -1: the engine opens `path` */
	bool readonly;
	bool cdrom;
	bool discard; /* offer discard if the file or device supports it */
	/* Set by the engine when it opens the file: number of a block device and 0, or device
	 * and inode of a file; dev 0: not known. */
	uint64_t dev, ino;
	uint64_t sectors; /* size in sectors of 512 bytes, set likewise; 0: not known */
	/* For a VM that is restored: error if the file was written after this time, in ns since
	 * 1970; 0: no check. Not recorded. */
	uint64_t same_since_ns;
	/* Time of the last write, when the file was opened last, in ns since 1970; 0: not known.
	 * Not recorded. */
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
/* -ENOMEM; then `to` is cleared. Open files are not copied: fd is -1. */
int device_config_copy(struct device_config *to, const struct device_config *from);

/* The file of the device, if its kind has one; otherwise NULL. */
const struct vbd_config *device_file(const struct device_config *d);
struct vbd_config *device_change_file(struct device_config *d);
/* For a copy of its VM: clears the values that two VMs must not both have (MAC, name). */
void device_make_own(struct device_config *d);

/* Parses "xvda", "xvda1", "sda", "hdc", "d0p1", "51712" or "0xca00": xl-disk-configuration(5)
 * and xen-vbd-interface(7). -EINVAL. */
int vdev_parse(const char *text, uint32_t *vdev);
/* Linux' name for it ("xvda"), or the number. */
void vdev_name(uint32_t vdev, char out[16]);

/* Checks a device by itself, and against the other devices of its VM: ids, MACs and names that
 * are used twice, too many devices. -EINVAL, -EEXIST or -E2BIG. */
int device_config_check(const struct device_config *d, const struct device_config *other,
			uint32_t nother, struct err *e);

#endif
