/* SPDX-License-Identifier: BSD-3-Clause */
/* The last events, numbered, so that a client that was away can go on where it stopped. */
#ifndef CHAOS_FEED_H
#define CHAOS_FEED_H

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/protocol/wire.h"

/*
 * A ring of fixed size. Numbers rise by one, and over the daemon's life time, too: the first one is
 * made of the clock. One thread.
 */

#define FEED_KEPT 4096u

/* Begins to listen; `news` is called on the loop some time after something happened. -ENOMEM. */
int feed_open(struct engine *en, struct ev_loop *loop, void (*news)(void), struct err *e);
void feed_close(void);

/* Numbers that are kept: [oldest, next). */
uint64_t feed_oldest(void);
uint64_t feed_next(void);
/* Puts event `id`, which must be kept, into a frame: EVENT, EVENT_ID, WHEN and a VM or a FLAVOR. */
void feed_put(uint64_t id, struct wire_out *w);
/* How many there were of each name since the start, for metrics. */
uint64_t feed_count(enum vm_event ev);

#endif
