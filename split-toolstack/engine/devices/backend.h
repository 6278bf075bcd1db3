/* SPDX-License-Identifier: BSD-3-Clause */
/* What the backends of devices differ in: dom0's kernel, the same beside xenstored, and the process
 * chaos-backend. A row each; NULL: it has nothing to do there. */
#ifndef CHAOS_ENGINE_DEVICES_BACKEND_H
#define CHAOS_ENGINE_DEVICES_BACKEND_H

#include "split-toolstack/engine/devices/device.h"

/* How the end of a device goes on when its turn has come. */
enum backend_end {
	END_NOW,   /* the backend has nothing of it */
	END_QUEUE, /* it takes one after the other, and says when this one is gone */
	END_SOON,  /* ... likewise, if it has seen it at all, which is not known yet */
	END_TOLD,  /* it was asked, and calls device_gone() */
};

struct backend_ops {
	bool user;	 /* its nodes are not for the kernel */
	bool loops;	 /* it has block devices only: a file is put behind a loop device */
	bool gates;	 /* a noxs guest may not run before it is connected: life/run_gate.c */
	bool keeps_file; /* it holds the file of a disk, lock and all */

	/* The engine opens and closes. */
	int (*setup)(struct engine *en, struct err *e);
	void (*close)(struct engine *en);

	/* Whether there can be devices of it; -errno with the reason. */
	int (*possible)(const struct engine *en, struct err *e);
	/* Why it hears of nothing any more; NULL: it does hear. */
	const char *(*deaf)(const struct engine *en);
	/* Why it has not come, as far as can be seen: "xen-netback is not ready". */
	void (*absent)(const struct device *d, char *to, size_t room);

	/* Before the nodes are made, and when they are there. -errno, with or without a reason. */
	int (*open)(struct device *d, struct err *e);
	int (*start)(struct device *d, struct err *e);
	/* Of a VM that lives on: goes on where the last daemon was. What fails for lack of
	 * something (adopt_later()) is tried again, with anything else the device is broken. */
	int (*adopt)(struct device *d);

	/* A node below its own was changed. */
	void (*changed)(struct device *d, const char *path);
	/* Its state says that it has seen the device; called again with each change. */
	void (*seen)(struct device *d);
	/* Until then the devices before this one may still be under way; 0: it has its turn. */
	ev_tstamp (*turn)(const struct device *d);

	/* The nodes are about to be removed. */
	void (*hide)(struct device *d);
	enum backend_end (*stop)(struct device *d);
	/* Something of a device in PHASE_REMOVING is still there. */
	bool (*has)(const struct device *d);
	/* The last device of the domain is gone. True: what it had there is still being removed,
	 * and devices_left() comes when it is. */
	bool (*domain_gone)(struct engine *en, uint32_t domid);
};

extern const struct backend_ops kernel_backend_ops, mirrored_backend_ops, user_backend_ops;

/* --- kernel.c: for the row of the mirrored one, too --- */
void kernel_backend_absent(const struct device *d, char *to, size_t room);
void kernel_backend_seen(struct device *d);
ev_tstamp kernel_backend_turn(const struct device *d);
enum backend_end kernel_backend_stop(struct device *d);

/* The rows of the tables; the mode of the store is known. */
void rows_choose(struct engine *en);

#endif
