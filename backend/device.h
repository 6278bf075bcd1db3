/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of chaos-backend: attached, served by the loop, detached. */
#ifndef NOXS_BACKEND_DEVICE_H
#define NOXS_BACKEND_DEVICE_H

#include <ev.h>

#include "backend/area.h"
#include "backend/blkback.h"
#include "backend/netback.h"
#include "backend/pool.h"
#include "backend/proto.h"

#include <xenevtchn.h>

struct devices;

/* A device; it is once in the table by id, and once in the table by port. */
struct device {
	struct device *next;	   /* in the table */
	struct device *ready_next; /* list of devices that have work left from their last turn */
	struct devices *all;
	uint64_t id;
	uint16_t type; /* BACKEND_ATTACH_VIF or _VBD */
	uint16_t domid;
	bool ready;
	bool dying;    /* waits for its jobs, and is freed then */
	bool detached; /* a client has requested the detach; it is answered when the device is freed
			*/
	int broken;    /* an errno if it ended by itself; reported when the device is freed */
	char why[BACKEND_TEXT];
	uint32_t port; /* local; 0: none */
	int fd;
	void *page[2];
	ev_io tap;
	struct netback net;
	struct blkback blk;
	struct blk_queue queue;
};

struct devices {
	/* IN */
	struct ev_loop *loop;
	/* Reports the end of a device: DETACHED or BROKEN. */
	void (*tell)(void *arg, uint16_t type, uint64_t id, int err, const char *text);
	void *arg;
	/* ours */
	struct xengntdev_handle *gnt;
	struct xenevtchn_handle *evt;
	struct backend_seam seam;
	struct area area; /* pages of all scratch buffers */
	struct net_scratch *net_scratch;
	struct blk_scratch *blk_scratch;
	struct blk_pool *pool;
	struct device *first;
	struct port_user {
		struct device *dev;
	} * by_port;
	uint32_t ports; /* size of by_port */
	struct device *ready;
	struct device **ready_tail;
	ev_io events;
	ev_async done;
	ev_idle busy; /* keeps the loop from sleeping while devices have work */
	ev_check turn;
};

/* Opens gntdev and evtchn, allocates the buffers; starts no thread. */
int devices_open(struct devices *d, struct err *e);
/* Starts the threads and the watchers; call it after privileges were dropped. */
int devices_start(struct devices *d, struct err *e);
/* Detaches all devices without reports, and closes everything. */
void devices_close(struct devices *d);

/* Attach takes ownership of `fd`, also on failure. -EEXIST: the id is in use; or an error of
 * mapping, binding, or a check of the file. `sectors` gets the size of a vbd. */
int device_attach_vif(struct devices *d, const struct backend_vif *m, int fd, struct err *e);
int device_attach_vbd(struct devices *d, const struct backend_vbd *m, int fd, uint64_t *sectors,
		      struct err *e);

/* DETACHED is reported when it is done: at once, or after the device's last job; also for a
 * device that has ended by itself and still has jobs. -ENOENT. */
int device_detach(struct devices *d, uint64_t id);

/* Copies the properties and counters of a device. */
void device_tell(const struct device *dev, struct backend_device *out);

/* --- device.c for attach.c --- */

/* Gives the device a turn in this iteration of the loop. */
void device_ready(struct device *dev);
/* Ends a device; `why` NULL: it was detached. */
void device_end(struct device *dev, int err, const char *why);
void device_tap_ready(struct ev_loop *loop, ev_io *w, int events);
/* Unmaps, unbinds, closes and frees it. */
void device_free(struct device *dev);

#endif
