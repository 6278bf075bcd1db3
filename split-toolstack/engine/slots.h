/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain ids with a port of dom0's each; part of private.h. */
#ifndef CHAOS_ENGINE_SLOTS_H
#define CHAOS_ENGINE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;

struct slot {
	uint32_t domid; /* 0: none */
	uint32_t port;	/* of dom0's, for this domain to bind to; 0: not made yet */
};

struct slots {
	struct slot *free; /* a stack */
	uint32_t n, room;
	uint32_t next;		     /* the highest id that was never handed out */
	uint8_t taken[0x8000 / 8];   /* by domains that were there at the start */
	uint8_t foreign[0x8000 / 8]; /* of these, others' */
	uint32_t nforeign;
	uint64_t look_at; /* ns: not before, whether they are there still */
};

int slots_open(struct engine *en, struct err *e);
void slots_close(struct engine *en);
/* A domain that was there at the start is ours: its id becomes a slot when it ends. */
void slots_adopt(struct engine *en, uint32_t domid);
/* Something of a domain that is gone uses its id: no VM gets it until it is put back. */
void slots_hold(struct engine *en, uint32_t domid);
/* Ours: handed out, or of a domain that was there at the start and is ours. */
bool slots_has(const struct engine *en, uint32_t domid);
/* An id for a domain, with a port when asked for. */
int slot_take(struct engine *en, bool port, struct slot *out, struct err *e);
/* For the next domain: when this one is destroyed. Clears it; none is fine. */
void slot_put(struct engine *en, struct slot *slot);
/* The same when the id could not be had: it comes last. */
void slot_put_last(struct engine *en, struct slot *slot);
uint32_t slots_ready(const struct engine *en); /* free ones with a port */
/* Makes one for creates to come; false when there are enough. */
bool slots_refill(struct engine *en);

#endif
