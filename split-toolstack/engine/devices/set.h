/* SPDX-License-Identifier: BSD-3-Clause */
/* What the owners of devices, VMs and shells, do with them; and what the engine does with all. */
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

/* --- all of them --- */

/* What they need of what stands above them. */
struct devices_host {
	struct store *store; /* their nodes are in it */
	/* -ENOSPC: nothing can be added to it. */
	int (*store_check_room)(const struct engine *en, struct err *e);
	/* No backend has anything of the domain any more. */
	void (*domain_free)(struct engine *en, uint32_t domid);
	/* Beside xenstored: its mirror is open; and news of it that may be no device's: true: they
	 * are not. */
	void (*mirror_open)(struct engine *en);
	bool (*mirror_news)(struct engine *en, const char *path, const char *value, uint64_t done);
};

/* -ENOMEM. What is in it is opened with devices_open(), when the rest of the engine is there. */
int devices_new(struct engine *en, struct err *e);
void devices_free(struct engine *en); /* NULL is fine */
int devices_open(struct engine *en, const struct devices_host *host, struct err *e);
void devices_close(struct engine *en);
/* After a restart, behind devices_adopt() of each VM: those of domains that were not adopted. */
void devices_adopted(struct engine *en);
/* The one to xenstored; NULL: there is none. */
struct mirror *engine_mirror(const struct engine *en);
bool devices_have_bridge(const struct engine *en, const char *name);
/* -EOPNOTSUPP: not with this store mode; -ENOTCONN: not any more. */
int device_possible(const struct engine *en, enum device_backend b, struct err *e);
/* Writes into the store what was claimed lately: in idle time, not during the claim. */
void devices_tell(struct engine *en);
/* Backends still have something of this domain, living or not. */
bool devices_of(struct engine *en, uint32_t domid);
/* In mode beside: what xenstored has of the devices of a domain that is gone, or (it lives) has
 * none any more, is removed. True: devices_left() says when that is done. */
bool device_unmirror_domain(struct engine *en, uint32_t domid);

/* --- those of one owner --- */

/* A request waits so long for a backend to come, in seconds. */
#define ATTACH_S 10.0

/* Ring pages that the devices of a noxs guest need. */
uint32_t devices_rings(const struct vm_config *c);
/* Makes and starts the devices of a VM that does not run yet, or takes over those of its shell; on
 * failure what there is remains in vm_devices(), for devices_drop(). */
int devices_start(struct vm *vm, struct err *e);
/* Those of a shell: its vifs. */
int devices_start_shell(struct engine *en, struct device_set *set, const struct pool_flavor *f,
			const struct dom *dom, struct err *e);
/* The domain is about to be destroyed: its backends are told to let go. */
void devices_drop(struct device_set *set);
/* From a shell to the VM that has claimed it. */
void devices_hand_over(struct device_set *from, struct device_set *to);
/* The VM's entries of the device page; returns their number. */
uint32_t devices_page(const struct device_set *set, struct noxs_device *to);
/* `gone` of the set is called when the devices of this domain are gone. False: they are. */
bool devices_wait(struct engine *en, struct device_set *set, uint32_t domid);
void devices_wait_no_more(struct engine *en, struct device_set *set);
bool devices_any(const struct device_set *set);
/* The VM has some, or is to have some. */
bool vm_has_devices(struct vm *vm);
/* A noxs guest may not run yet: a device is not connected that it has to wait for. */
bool devices_gate(const struct device_set *set);
/* A device is broken, or its backend is not there yet. */
bool devices_lack(const struct device_set *set);
/* All `n` devices of the set are there: 0. -EAGAIN: not yet, and *until has not come; it is moved
 * on while others are before them. Else -errno with the reason. */
int devices_there(const struct device_set *set, uint32_t n, ev_tstamp now, ev_tstamp *until,
		  struct err *e);
/* After a restart: those of an adopted VM; again: what is missing. */
int devices_adopt(struct vm *vm, struct err *e);
/* A VM of this configuration can have the devices of a shell of this flavor. */
bool devices_fit_flavor(const struct engine *en, const struct pool_flavor *f,
			const struct vm_config *c);
/* Those of the VM that wait fail now: its domain ends. */
void attaches_end(const struct vm *vm);

#endif
