/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes of network and block devices in the store, front and back, as other toolstacks make
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

/* A device as the store knows it: kind "vif", "vbd" or "console", its frontend's domain, its number
 * there. */
struct devtree_id {
	const char *kind;
	uint32_t domid, devid;
};

/* "/local/domain/<domid>/device/<kind>/<devid>" and
 * "/local/domain/0/backend/<kind>/<domid>/<devid>", with "/<leaf>" behind when it is not NULL. */
void devtree_front(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX]);
void devtree_back(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX]);
/* Reads the numbers out of the path of a backend node; `rest` points behind them ("/state", ""). */
bool devtree_parse_back(const char *path, char kind[4], uint32_t *domid, uint32_t *devid,
			const char **rest);

/* The rings of a frontend whose part dom0 has played (noxs guests): grant references and the event
 * channel in the guest. */
struct devtree_rings {
	uint32_t ring_ref[2]; /* vif: tx, rx; vbd: the first */
	uint32_t port;
};

struct devtree_vif {
	struct devtree_id id;
	const uint8_t *mac; /* 6 bytes */
	uint32_t mtu;	    /* 0: not said */
	const char *bridge; /* "" for none, like the others */
	const char *ifname;
	const char *ip;
	uint64_t rate_bytes; /* 0: no limit */
	uint32_t rate_us;
	const struct devtree_rings *rings; /* NULL: the guest connects by itself */
	bool user;			   /* no kernel backend is to see it */
};

struct devtree_vbd {
	struct devtree_id id;
	const char *dev;    /* "xvda" */
	const char *params; /* the path as it was said */
	uint32_t major, minor;
	bool readonly, cdrom, discard;
	const struct devtree_rings *rings;
	bool user;
};

/* Makes both sides; the backend's `online` comes last, which is where a backend looks. Permissions:
 * the guest may write its side and read the other. -ENOMEM; then call devtree_remove(). */
int devtree_make_vif(struct store *s, const struct devtree_vif *v);
int devtree_make_vbd(struct store *s, const struct devtree_vbd *v);
/* The second console of a guest (its id: "console", 1). The guest has not been there yet, and
 * nothing but us serves it: no watch fires. */
int devtree_make_console(struct store *s, const struct devtree_id *id);
/* A connected vif is now this one: MAC, bridge, interface, IP settings and rate, which the kernel
 * reads again. */
void devtree_bind_vif(struct store *s, const struct devtree_vif *v);
/* The backend's state as the backend says; DEVTREE_UNKNOWN when it says nothing sensible. */
enum devtree_state devtree_back_state(struct store *s, const struct devtree_id *id);
/* Asks both ends to close: online 0, state 5. */
int devtree_close(struct store *s, const struct devtree_id *id);
/* Away with both sides: the backend lets go whatever its frontend does. */
void devtree_remove(struct store *s, const struct devtree_id *id);

#endif
