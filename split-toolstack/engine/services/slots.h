/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: domain ids, each with a port of dom0. */
#ifndef CHAOS_ENGINE_SERVICES_SLOTS_H
#define CHAOS_ENGINE_SERVICES_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct slots;
struct xen;

struct slot {
	uint32_t domid; /* 0: none */
	uint32_t port;	/* dom0's port, for this domain to bind to; 0: not made yet */
};

static inline uint32_t slot_domid(const struct slot *s)
{
	return s->domid;
}

static inline uint32_t slot_port(const struct slot *s)
{
	return s->port;
}

/* For a domain that was adopted, or whose record is written before it has the slot. */
static inline void slot_set_domid(struct slot *s, uint32_t domid)
{
	s->domid = domid;
}

static inline void slot_set_port(struct slot *s, uint32_t port)
{
	s->port = port;
}

/* Ids of existing domains, and ids that backends use, are not available. */
int slots_open(struct xen *x, struct slots **out, struct err *e);
void slots_close(struct slots *s); /* NULL is allowed */
/* Makes the id of a domain that existed at the start a slot when it ends, because the domain
 * belongs to chaosd. */
void slots_adopt(struct slots *s, uint32_t domid);
/* The same, and *slot is that of the domain. */
void slot_adopt(struct slots *s, uint32_t domid, struct slot *slot);
/* Keeps an id from being used, because something of an ended domain still uses it, until it is
 * put back. */
void slots_hold(struct slots *s, uint32_t domid);
/* Whether the id was handed out here, or adopted. */
bool slots_has(const struct slots *s, uint32_t domid);
/* Takes an id for a domain; with a port if `port` is set. */
int slot_take(struct slots *s, bool port, struct slot *out, struct err *e);
/* Returns a slot after its domain was destroyed, and clears *slot. No effect on an empty slot. */
void slot_put(struct slots *s, struct slot *slot);
/* The same if Xen refused the id: it will be used last. */
void slot_put_last(struct slots *s, struct slot *slot);
uint32_t slots_ready(const struct slots *s); /* number of free slots with a port */
/* Makes one slot in advance; false if there are enough. */
bool slots_refill(struct slots *s);

#endif
