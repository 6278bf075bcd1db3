/* SPDX-License-Identifier: BSD-3-Clause */
/* Destroys domains of chaosd. They are recorded until Xen has nothing of them, so that the next
 * daemon can continue. */
#ifndef CHAOS_ENGINE_DROP_H
#define CHAOS_ENGINE_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct slot;

/* Functions of the room of devices. */
struct drop_ops {
	/* Whether backends still use something of the domain. */
	bool (*has_devices)(struct engine *en, uint32_t domid);
	/* It is gone, and what xenstored still has of its devices is removed; true: that takes a
	 * while, and drop_devices_gone() is called when it is done. */
	bool (*forget_devices)(struct engine *en, uint32_t domid);
};

/* `ops` must exist as long. */
int drops_open(struct engine *en, const struct drop_ops *ops, struct err *e);
void drops_close(struct engine *en);
/* Records the domain, so that the next daemon ends it and its devices, unless a record says that
 * a VM runs in it. Call it before any part of the domain is removed, and before the record of
 * its VM says that the VM has ended. */
void drop_note(struct engine *en, uint32_t domid, const uint8_t uuid[16]);
/* Gives a domain to the worker, which unmaps the two pages at `map` (NULL: none are mapped) and
 * destroys the domain; no client waits for that. When Xen and the backends have nothing of it
 * any more, its slot is freed, and with `recorded` the registry's record of `uuid` is deleted.
 * Clears *slot. */
void domain_drop(struct engine *en, uint32_t domid, const uint8_t uuid[16], uint64_t pages,
		 struct slot *slot, uint8_t *map, bool recorded);
/* Whether it is recorded and still exists. */
bool domain_is_dropped(const struct engine *en, uint32_t domid);
/* Call it when no backend has anything of this domain any more. */
void drop_devices_gone(struct engine *en, uint32_t domid);
/* After a restart, when the running VMs are known: ends what the last daemon had recorded. */
void drops_adopt(struct engine *en);

#endif
