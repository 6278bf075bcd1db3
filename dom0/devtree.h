/* SPDX-License-Identifier: BSD-3-Clause */
/* The store nodes of network and block devices, frontend and backend, as other toolstacks make
 * them. */
#ifndef CHAOS_NOXS_DEVTREE_H
#define CHAOS_NOXS_DEVTREE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

#define DEVTREE_PATH_MAX 96u

/* XenbusState of Xen public/io/xenbus.h. */
enum devtree_state {
	DEVTREE_UNKNOWN = 0,
	DEVTREE_INITIALISING = 1,
	DEVTREE_INIT_WAIT = 2,
	DEVTREE_INITIALISED = 3,
	DEVTREE_CONNECTED = 4,
	DEVTREE_CLOSING = 5,
	DEVTREE_CLOSED = 6,
};

/* Identifies a device in the store: kind "vif", "vbd" or "console", domain of the frontend, and
 * number. */
struct devtree_id {
	const char *kind;
	uint32_t domid, devid;
};

/* "/local/domain/<domid>/device/<kind>/<devid>" and
 * "/local/domain/0/backend/<kind>/<domid>/<devid>", followed by "/<leaf>" if it is not NULL. */
void devtree_front(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX]);
void devtree_back(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX]);
/* Parses the path of a backend node; `rest` is what follows the numbers ("/state", ""). */
bool devtree_parse_back(const char *path, char kind[4], uint32_t *domid, uint32_t *devid,
			const char **rest);

/* Rings that dom0 has made for the frontend (noxs guests): grant references, and the event
 * channel in the guest. */
struct devtree_rings {
	uint32_t ring_ref[2]; /* vif: tx, rx; vbd: the first */
	uint32_t port;
};

struct devtree_vif {
	struct devtree_id id;
	const uint8_t *mac; /* 6 bytes */
	uint32_t mtu;	    /* 0: not given */
	const char *bridge; /* "" for none, as for the other texts */
	const char *ifname;
	const char *ip;
	uint64_t rate_bytes; /* 0: no limit */
	uint32_t rate_us;
	const struct devtree_rings *rings; /* NULL: the guest connects by itself */
	bool user;			   /* the kernel's backend must not see it */
};

struct devtree_vbd {
	struct devtree_id id;
	const char *dev;    /* "xvda" */
	const char *params; /* the path as it was given */
	uint32_t major, minor;
	bool readonly, cdrom, discard;
	const struct devtree_rings *rings;
	bool user;
};

/* Makes the nodes of both sides. The backend's `online` is made last, because the backend starts
 * at that node. The guest may write its side and read the other. On -ENOMEM call
 * devtree_remove(). */
int devtree_make_vif(struct store *s, const struct devtree_vif *v);
int devtree_make_vbd(struct store *s, const struct devtree_vbd *v);
/* Makes the second console of a guest (its id: "console", 1). No watch fires: the guest has not
 * run yet, and only chaosd serves this console. */
int devtree_make_console(struct store *s, const struct devtree_id *id);
/* Gives a connected vif the MAC, bridge, interface name, IP settings and rate of this one; the
 * kernel reads them again. */
void devtree_bind_vif(struct store *s, const struct devtree_vif *v);
/* The state in the backend's node; DEVTREE_UNKNOWN if there is no valid value. */
enum devtree_state devtree_back_state(struct store *s, const struct devtree_id *id);
/* Requests both ends to close: online 0, state 5. */
int devtree_close(struct store *s, const struct devtree_id *id);
/* Removes the nodes of both sides; the backend then releases the device, whatever its frontend
 * does. */
void devtree_remove(struct store *s, const struct devtree_id *id);

#endif
