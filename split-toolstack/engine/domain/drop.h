/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains of ours that go: known, also to the next daemon, until Xen has nothing of them. */
#ifndef CHAOS_ENGINE_DROP_H
#define CHAOS_ENGINE_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct slot;

/* What is asked of the devices of a domain that goes. */
struct drop_ops {
	/* Backends still have something of it. */
	bool (*has_devices)(struct engine *en, uint32_t domid);
	/* It is gone, and what xenstored still has of its devices is removed; true: that takes a
	 * while, and drop_devices_gone() is called when it is done. */
	bool (*forget_devices)(struct engine *en, uint32_t domid);
};

/* `ops` stay. */
int drops_open(struct engine *en, const struct drop_ops *ops, struct err *e);
void drops_close(struct engine *en);
/* From now on the next daemon ends this domain and its devices, unless a record says that a VM
 * lives in it. To be called before anything of the domain goes and before its VM's record says that
 * the VM has ended. */
void drop_note(struct engine *en, uint32_t domid, const uint8_t uuid[16]);
/* Hands a domain to the worker, which destroys it, and before that unmaps the two pages at `map`
 * (NULL: none are mapped): no client waits for that. When Xen and the backends have nothing of it
 * any more its slot is free, and with `recorded` what the registry has of `uuid` is deleted. Clears
 * the slot. */
void domain_drop(struct engine *en, uint32_t domid, const uint8_t uuid[16], uint64_t pages,
		 struct slot *slot, uint8_t *map, bool recorded);
/* Noted, and not gone yet. */
bool domain_is_dropped(const struct engine *en, uint32_t domid);
/* No backend has anything of this domain any more. */
void drop_devices_gone(struct engine *en, uint32_t domid);
/* After a restart, when the VMs that live are known: what the last daemon had not ended goes. */
void drops_adopt(struct engine *en);

#endif
