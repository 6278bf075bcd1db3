/* SPDX-License-Identifier: BSD-3-Clause */
/* The last events, numbered, so that a client can continue after the last event that it has
 * seen. */
#ifndef CHAOS_FEED_H
#define CHAOS_FEED_H

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/protocol/wire.h"

/* A ring with a fixed size. Numbers rise by one; they also rise over restarts of the daemon,
 * because the first one is made from the clock. For one thread. */

#define FEED_KEPT 4096u

/* Begins to collect events; `news` is called on the loop some time after an event. -ENOMEM. */
int feed_open(struct engine *en, struct ev_loop *loop, void (*news)(void), struct err *e);
void feed_close(void);

/* The numbers that are kept: [oldest, next). */
uint64_t feed_oldest(void);
uint64_t feed_next(void);
/* Writes event `id`, which must be kept, into a frame: EVENT, EVENT_ID, WHEN and a VM or a
 * FLAVOR. */
void feed_put(uint64_t id, struct wire_out *w);
/* Number of events of each kind since the start, for metrics. */
uint64_t feed_count(enum vm_event ev);

#endif
