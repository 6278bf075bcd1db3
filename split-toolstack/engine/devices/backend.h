/* SPDX-License-Identifier: BSD-3-Clause */
/* The differences between backends: dom0's kernel, the same beside xenstored, and the process
 * chaos-backend. One row for each; NULL functions do nothing. */
#ifndef CHAOS_ENGINE_DEVICES_BACKEND_H
#define CHAOS_ENGINE_DEVICES_BACKEND_H

#include "split-toolstack/engine/devices/device.h"

/* How the end of a device continues when its turn has come. */
enum backend_end {
	END_NOW,   /* the backend uses nothing of it */
	END_QUEUE, /* the backend removes devices one after the other, and reports the end of this
		      one */
	END_SOON,  /* likewise, if the backend has seen the device, which is not known yet */
	END_TOLD,  /* the backend has the request, and calls device_gone() */
};

struct backend_ops {
	bool user;	 /* the kernel must not see its nodes */
	bool loops;	 /* it can only use block devices: a file gets a loop device */
	bool gates;	 /* a noxs guest must not run before it is connected: life/run_gate.c */
	bool keeps_file; /* it keeps the file of a disk open, with its lock */

	/* Called when the engine opens and closes. */
	int (*setup)(struct engine *en, struct err *e);
	void (*close)(struct engine *en);

	/* Whether such devices are possible now; -errno with the reason. */
	int (*possible)(const struct engine *en, struct err *e);
	/* Why it cannot notice changes any more; NULL: it can. */
	const char *(*deaf)(const struct engine *en);
	/* Why it has not connected, as far as is known: "xen-netback is not ready". */
	void (*absent)(const struct device *d, char *to, size_t room);

	/* Called before the nodes are made, and when they exist. -errno, with or without a
	 * message. */
	int (*open)(struct device *d, struct err *e);
	int (*start)(struct device *d, struct err *e);
	/* For a VM that was adopted: continues where the last daemon was. After a failure for
	 * lack of a resource (adopt_later()) it is called again; after any other failure the
	 * device is broken. */
	int (*adopt)(struct device *d);

	/* A node below its backend directory has changed. */
	void (*changed)(struct device *d, const char *path);
	/* Its state shows that it has seen the device; called again after each change. */
	void (*seen)(struct device *d);
	/* Until this time the backend may still be working on earlier devices; 0: it works on
	 * this one. */
	ev_tstamp (*turn)(const struct device *d);

	/* The nodes will be removed now. */
	void (*hide)(struct device *d);
	enum backend_end (*stop)(struct device *d);
	/* It still exists after a while: nodes that the backend wrote since go, too. */
	void (*stop_again)(struct device *d);
	/* Whether something of a device in PHASE_REMOVING still exists. */
	bool (*has)(const struct device *d);
	/* The last device of the domain is gone. True: what it had there is still being removed,
	 * and devices_left() comes when it is. */
	bool (*domain_gone)(struct engine *en, uint32_t domid);
};

extern const struct backend_ops kernel_backend_ops, mirrored_backend_ops, user_backend_ops;

/* --- kernel.c; also used by mirrored.c --- */
void kernel_backend_absent(const struct device *d, char *to, size_t room);
void kernel_backend_seen(struct device *d);
ev_tstamp kernel_backend_turn(const struct device *d);
enum backend_end kernel_backend_stop(struct device *d);

/* Fills the tables of rows; call it when the mode of the store is known. */
void rows_choose(struct engine *en);

#endif
