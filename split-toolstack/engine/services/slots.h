/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain ids with a port of dom0's each. */
#ifndef CHAOS_ENGINE_SERVICES_SLOTS_H
#define CHAOS_ENGINE_SERVICES_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct slots;
struct xen;

struct slot {
	uint32_t domid; /* 0: none */
	uint32_t port;	/* of dom0's, for this domain to bind to; 0: not made yet */
};

/* Ids that domains and backends have at this moment are theirs. */
int slots_open(struct xen *x, struct slots **out, struct err *e);
void slots_close(struct slots *s); /* NULL is fine */
/* A domain that was there at the start is ours: its id becomes a slot when it ends. */
void slots_adopt(struct slots *s, uint32_t domid);
/* Something of a domain that is gone uses its id: no VM gets it until it is put back. */
void slots_hold(struct slots *s, uint32_t domid);
/* Ours: handed out, or of a domain that was there at the start and is ours. */
bool slots_has(const struct slots *s, uint32_t domid);
/* An id for a domain, with a port when asked for. */
int slot_take(struct slots *s, bool port, struct slot *out, struct err *e);
/* For the next domain: when this one is destroyed. Clears it; none is fine. */
void slot_put(struct slots *s, struct slot *slot);
/* The same when the id could not be had: it comes last. */
void slot_put_last(struct slots *s, struct slot *slot);
uint32_t slots_ready(const struct slots *s); /* free ones with a port */
/* Makes one for creates to come; false when there are enough. */
bool slots_refill(struct slots *s);

#endif
