/* SPDX-License-Identifier: BSD-3-Clause */
/* Chores: work for idle time, done in a fixed order while no requests come. */
#ifndef CHAOS_ENGINE_SERVICES_IDLE_H
#define CHAOS_ENGINE_SERVICES_IDLE_H

#include <stdbool.h>
#include <stddef.h>

#include <ev.h>

#include "base/err.h"

struct idle;

#define IDLE_RETRY_S 2.0 /* after a failure */

/* When a chore is called again, unless all are called earlier. */
enum idle_next {
	IDLE_DONE,  /* only when all are called */
	IDLE_RETRY, /* in IDLE_RETRY_S */
	IDLE_WAIT,  /* in some milliseconds: it waits for something */
	IDLE_MORE,  /* after a gap in which guests and clients get the CPU */
	IDLE_ALONE, /* likewise, and the chores after it are not called before */
};

typedef enum idle_next idle_chore(void *arg);

/* `chores` has the chores in their order, and must exist as long. None is called before the
 * first idle_later(). */
int idle_open(struct ev_loop *loop, idle_chore *const *chores, size_t n, void *arg,
	      struct idle **out, struct err *e);
/* NULL is allowed, here and in all calls below: the engine is being closed. */
void idle_close(struct idle *i);
/* Call it for each request: chores are done after its answer was sent, and not immediately. */
void idle_later(struct idle *i);
/* The same, unless chores are due anyway. */
void idle_soon(struct idle *i);
/* Makes chores due as soon as the loop has nothing else to do. */
void idle_now(struct idle *i);
/* Makes chores due not earlier than in so many seconds. */
void idle_in(struct idle *i, double seconds);

#endif
