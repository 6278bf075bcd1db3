/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of one owner, a VM or a shell: what it embeds. The functions are in set.h. */
#ifndef CHAOS_ENGINE_DEVICES_SET_T_H
#define CHAOS_ENGINE_DEVICES_SET_T_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct device_set;
struct err;

/* What the owner hears. Inside the change of a device: it makes and ends none then. */
struct device_set_ops {
	/* A device is connected, with `news` since now; or (without) has left the set. */
	void (*changed)(struct device_set *s, bool news);
	/* A device of it is broken, or its backend went away. */
	void (*failed)(struct device_set *s, const struct err *e);
	/* The devices that devices_wait() has waited for are gone. NULL: it never waits. */
	void (*gone)(struct device_set *s);
	/* Its guest was saved, and remembers what its disks were. NULL: it was not. */
	bool (*remembered)(struct device_set *s);
};

struct device_set {
	struct device *first;
	const struct device_set_ops *ops; /* the owner's */
	uint32_t waits_for;		  /* devices_wait(): the domain whose devices; 0: none */
};

#endif
