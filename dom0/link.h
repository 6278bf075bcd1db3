/* SPDX-License-Identifier: BSD-3-Clause */
/* Network interfaces of dom0: looked up, changed, watched, made, without a fork. */
#ifndef NOXS_LINK_H
#define NOXS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Over rtnetlink(7), one message a request and no cache. Requests are answered by the kernel while
 * the caller waits, tens of microseconds each, under the kernel's one lock for interfaces. Nothing
 * here makes the kernel load a module, as ioctls with a name that is gone do. Interfaces can be
 * renamed and removed by any tool at any time: an index stays with its interface, a name does not.
 */

#define LINK_NAME    16u /* with NUL: Linux' IFNAMSIZ */
#define LINK_MTU_MIN 68u
#define LINK_MTU_MAX 65521u /* of a vif: netback's own limit */

struct link; /* a socket; one thread at a time */

struct link_info {
	int ifindex;
	char name[LINK_NAME];
	uint32_t mtu;
	int master; /* ifindex of its bridge, 0: none */
	bool up;
	bool is_bridge;
	uint8_t mac[6]; /* zero for interfaces that have none of six bytes */
};

struct link_change {
	int master;	    /* ifindex of a bridge; 0: none; -1: leave it */
	uint32_t mtu;	    /* 0: leave it */
	const uint8_t *mac; /* six bytes; NULL: leave it */
	const char *name;   /* NULL: leave it; only while the interface is down */
	int up;		    /* 1, 0; -1: leave it */
	bool port; /* a bridge's port and nothing else: no ARP, no multicast, so no IPv6 of its own
		    */
};
#define LINK_CHANGE_NONE ((struct link_change){.master = -1, .up = -1})

/* Close-on-exec. */
int link_open(struct link **out, struct err *e);
void link_close(struct link *l); /* NULL is fine */

/* What the kernel takes as a name: 1 to 15 bytes, no "/", ":", "%", space or control character, not
 * "." or "..". */
bool link_name_valid(const char *name);

/* -ENODEV: there is none of this name. */
int link_find(struct link *l, const char *name, struct link_info *out);

/*
 * Makes all changes with one request; the kernel makes them in the order MAC, MTU, name, master, up
 * and stops at one that fails, so a failed request may have changed something. The message says
 * which interface, what was asked for and why not (-EXFULL: a bridge has room for 1024 ports).
 */
int link_set(struct link *l, int ifindex, const struct link_change *c, struct err *e);

/* Makes a tap interface, which lives as long as the file does, and fails when the name is taken.
 * vnet_hdr: each frame has a struct virtio_net_hdr (10 bytes) before it, and the kernel may hand
 * over frames with partial checksums and TCP segments of up to 64 KiB. The file does not block. */
int link_tap(const char *name, bool vnet_hdr, int *fd, struct err *e);

#endif
