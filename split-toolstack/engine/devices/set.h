/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions for the devices of VMs and shells, and for all devices together. */
#ifndef CHAOS_ENGINE_DEVICES_SET_H
#define CHAOS_ENGINE_DEVICES_SET_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"
#include "split-toolstack/engine/config/device_config.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/vm/parts.h"

struct dom;
struct engine;
struct mirror;
struct noxs_device;
struct pool_flavor;
struct store;
struct vm;
struct vm_config;

/* --- all devices --- */

/* Functions and data of rooms above. */
struct devices_host {
	struct store *store; /* the store in which the nodes are made */
	/* -ENOSPC: the store has no room for more. */
	int (*store_check_room)(const struct engine *en, struct err *e);
	/* No backend uses anything of the domain any more. */
	void (*domain_free)(struct engine *en, uint32_t domid);
	/* Beside xenstored: the mirror was opened; and a change from it that may not be about
	 * devices: returns true if it was handled. */
	void (*mirror_open)(struct engine *en);
	bool (*mirror_news)(struct engine *en, const char *path, const char *value, uint64_t done);
};

/* -ENOMEM. devices_open() opens the rest, when the other rooms of the engine are open. */
int devices_new(struct engine *en, struct err *e);
void devices_free(struct engine *en); /* NULL is allowed */
int devices_open(struct engine *en, const struct devices_host *host, struct err *e);
void devices_close(struct engine *en);
/* After a restart, when devices_adopt() was called for each VM: handles devices of domains that
 * were not adopted. */
void devices_adopted(struct engine *en);
/* The mirror; NULL: there is none. */
struct mirror *engine_mirror(const struct engine *en);
bool devices_have_bridge(const struct engine *en, const char *name);
/* -EOPNOTSUPP: not in this store mode; -ENOTCONN: not any more. */
int device_possible(const struct engine *en, enum device_backend b, struct err *e);
/* Writes the nodes of recent claims into the store: in idle time instead of during the claim. */
void devices_tell(struct engine *en);
/* Whether backends still use something of this domain, which may have ended. */
bool devices_of(struct engine *en, uint32_t domid);
/* In mode beside: what xenstored has of the devices of a domain that is gone, or (it lives) has
 * none any more, is removed. True: devices_left() says when that is done. */
bool device_unmirror_domain(struct engine *en, uint32_t domid);

/* --- the devices of one VM or shell --- */

/* Seconds that a request waits for a backend. */
#define ATTACH_S 10.0

/* Ring pages that the devices of a noxs guest need. */
uint32_t devices_rings(const struct vm_config *c);
/* Makes and starts the devices of a VM that does not run yet, or takes those of its shell. After
 * a failure vm_devices() has what was made, for devices_drop(). */
int devices_start(struct vm *vm, struct err *e);
/* Starts those of a shell: its vifs. */
int devices_start_shell(struct engine *en, struct device_set *set, const struct pool_flavor *f,
			const struct dom *dom, struct err *e);
/* Call it before the domain is destroyed: requests the backends to release the devices. */
void devices_drop(struct device_set *set);
/* Moves the devices of a shell to the VM that has claimed it. */
void devices_hand_over(struct device_set *from, struct device_set *to);
/* Fills the VM's slots of the device page; returns their number. */
uint32_t devices_page(const struct device_set *set, struct noxs_device *to);
/* Calls `gone` of the set when the devices of this domain are gone. False: they are gone
 * already. */
bool devices_wait(struct engine *en, struct device_set *set, uint32_t domid);
void devices_wait_no_more(struct engine *en, struct device_set *set);
/* Functions of the owner of the set from now on; returns those of the owner before. */
static inline const struct device_set_ops *devices_set_ops(struct device_set *set,
							   const struct device_set_ops *ops)
{
	const struct device_set_ops *old = set->ops;

	set->ops = ops;
	return old;
}
/* Copies of the VM exist from now on. A copy of Linux continues to send with the address of its
 * original, after it has got its own, where the kernel has a complete header of a frame: to
 * multicast groups. The bridge must not look for the original there. */
void devices_pin(struct device_set *set);
bool devices_any(const struct device_set *set);
/* Whether the VM has devices, or is to have some. */
bool vm_has_devices(struct vm *vm);
/* Whether a noxs guest must not run yet, because a device is not connected for which it must
 * wait. */
bool devices_gate(const struct device_set *set);
/* Whether a device is broken, or has no backend yet. */
bool devices_lack(const struct device_set *set);
/* 0: all `n` devices of the set are connected. -EAGAIN: not yet, and *until has not come; *until
 * is moved while the backend works on earlier devices. Otherwise -errno with the reason. */
int devices_there(const struct device_set *set, uint32_t n, ev_tstamp now, ev_tstamp *until,
		  struct err *e);
/* After a restart: adopts the devices of a VM; with `again` those that are missing. */
int devices_adopt(struct vm *vm, struct err *e);
/* Whether a VM with this configuration can use the devices of a shell of this flavor. */
bool devices_fit_flavor(const struct engine *en, const struct pool_flavor *f,
			const struct vm_config *c);
/* Makes waiting attaches of the VM fail: its domain ends. */
void attaches_end(const struct vm *vm);

#endif
