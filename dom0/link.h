/* SPDX-License-Identifier: BSD-3-Clause */
/* Network interfaces of dom0: looks up, changes, watches and makes them, without starting a
 * program. */
#ifndef NOXS_LINK_H
#define NOXS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Uses rtnetlink(7), one message for each request, without a cache. The kernel answers while the
 * caller waits, some tens of microseconds, under its one lock for interfaces. Nothing here makes
 * the kernel load a module, as ioctls with the name of a missing interface do. Other tools can
 * rename and remove interfaces at any time: the index of an interface does not change, its name
 * may. */

#define LINK_NAME    16u /* with NUL: Linux' IFNAMSIZ */
#define LINK_MTU_MIN 68u
#define LINK_MTU_MAX 65521u /* for a vif: netback's own limit */

struct link; /* a socket; one thread at a time */

struct link_info {
	int ifindex;
	char name[LINK_NAME];
	uint32_t mtu;
	int master; /* ifindex of its bridge; 0: none */
	bool up;
	bool is_bridge;
	uint8_t mac[6]; /* zero if its address does not have six bytes */
};

struct link_change {
	int master;	    /* ifindex of a bridge; 0: none; -1: no change */
	uint32_t mtu;	    /* 0: no change */
	const uint8_t *mac; /* six bytes; NULL: no change */
	const char *name;   /* NULL: no change; only while the interface is down */
	int up;		    /* 1, 0; -1: no change */
	bool port; /* only a port of a bridge: no ARP, no multicast, so no IPv6 address of its own
		    */
};
#define LINK_CHANGE_NONE ((struct link_change){.master = -1, .up = -1})

/* Close-on-exec. */
int link_open(struct link **out, struct err *e);
void link_close(struct link *l); /* NULL is allowed */

/* Whether the kernel accepts the name: 1 to 15 bytes, no "/", ":", "%", space or control
 * character, not "." or "..". */
bool link_name_valid(const char *name);

/* -ENODEV: there is no interface with this name. */
int link_find(struct link *l, const char *name, struct link_info *out);

/* Makes all changes with one request. The kernel makes them in the order MAC, MTU, name, master,
 * up, and stops at the first that fails, so that after a failure some changes may have been
 * made. The message has the interface, the requested change, and the reason (-EXFULL: the bridge
 * already has 1024 ports). */
int link_set(struct link *l, int ifindex, const struct link_change *c, struct err *e);

/* The bridge that has the interface as a port sends frames to this address there as long as it is a
 * port, also when another port has sent frames with it as their source. -EOPNOTSUPP: it is a port
 * of nothing, or of something else; -ENODEV, -ENOMEM. */
int link_pin(struct link *l, int ifindex, const uint8_t mac[6]);

/* Makes a tap interface, which exists as long as the file is open; fails if the name is in use.
 * vnet_hdr: each frame follows a struct virtio_net_hdr (10 bytes), and the kernel may pass
 * frames with partial checksums and TCP segments of up to 64 KiB. The file is non-blocking. */
int link_tap(const char *name, bool vnet_hdr, int *fd, struct err *e);

#endif
