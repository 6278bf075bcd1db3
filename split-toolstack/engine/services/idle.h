/* SPDX-License-Identifier: BSD-3-Clause */
/* Chores: what is done ahead or afterwards, in a fixed order, while no request comes. */
#ifndef CHAOS_ENGINE_SERVICES_IDLE_H
#define CHAOS_ENGINE_SERVICES_IDLE_H

#include <stdbool.h>
#include <stddef.h>

#include <ev.h>

#include "base/err.h"

struct idle;

#define IDLE_RETRY_S 2.0 /* after a failure */

/* When a chore is to be called again, if nothing makes all of them due before. */
enum idle_next {
	IDLE_DONE,  /* not by itself */
	IDLE_RETRY, /* in IDLE_RETRY_S */
	IDLE_WAIT,  /* in some milliseconds: something is under way */
	IDLE_MORE,  /* after a gap in which guests and clients get the CPU */
	IDLE_ALONE, /* likewise, and those behind it are not called before */
};

typedef enum idle_next idle_chore(void *arg);

/* The chores, in their order, stay. None is called before the first idle_later(). */
int idle_open(struct ev_loop *loop, idle_chore *const *chores, size_t n, void *arg,
	      struct idle **out, struct err *e);
/* NULL is fine, as in all calls below: the engine closes. */
void idle_close(struct idle *i);
/* A request came in: chores are done when its answer was sent, and none follows at once. */
void idle_later(struct idle *i);
/* The same, unless they are due anyway. */
void idle_soon(struct idle *i);
/* As soon as the loop has nothing else to do. */
void idle_now(struct idle *i);
/* Not before so many seconds. */
void idle_in(struct idle *i, double seconds);

#endif
