/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a VM or a shell, as a structure to embed. The functions are in set.h. */
#ifndef CHAOS_ENGINE_DEVICES_SET_T_H
#define CHAOS_ENGINE_DEVICES_SET_T_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct device_set;
struct err;

/* Functions of the VM or shell. They are called during a change of a device, and must not make
 * or end one. */
struct device_set_ops {
	/* A device is connected (`news`: since now), or without `news` has left the set. */
	void (*changed)(struct device_set *s, bool news);
	/* A device is broken, or its backend has ended. */
	void (*failed)(struct device_set *s, const struct err *e);
	/* The devices that devices_wait() waits for are gone. NULL: devices_wait() is not used. */
	void (*gone)(struct device_set *s);
	/* Whether the guest was saved, so that its disks must not have changed. NULL: it was
	 * not. */
	bool (*remembered)(struct device_set *s);
};

struct device_set {
	struct device *first;
	const struct device_set_ops *ops; /* of the VM or shell */
	bool pinned;			  /* devices_pin() */
	uint32_t waits_for; /* devices_wait(): the domain whose devices are waited for; 0: none */
};

#endif
