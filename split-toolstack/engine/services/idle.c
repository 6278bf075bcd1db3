/* SPDX-License-Identifier: BSD-3-Clause */
/* Chores while no request comes. */
#include "split-toolstack/engine/services/idle.h"

#include <errno.h>
#include <stdlib.h>

/* Chores wait until no request has come for this time: they must not delay the next request, nor
 * use the CPU that a just started guest needs. There is a gap between two rounds. */
#define QUIET_S 0.005
#define GAP_S	0.0005

struct idle {
	struct ev_loop *loop;
	idle_chore *const *chores;
	size_t n;
	void *arg;
	ev_timer due;
};

void idle_in(struct idle *i, double seconds)
{
	if (!i)
		return;
	ev_timer_stop(i->loop, &i->due);
	ev_timer_set(&i->due, seconds, 0.);
	ev_timer_start(i->loop, &i->due);
}

void idle_later(struct idle *i)
{
	idle_in(i, QUIET_S);
}

void idle_soon(struct idle *i)
{
	if (i && !ev_is_active(&i->due))
		idle_in(i, QUIET_S);
}

void idle_now(struct idle *i)
{
	idle_in(i, 0.);
}

static void on_due(struct ev_loop *loop, ev_timer *t, int revents)
{
	static const double in[] = {[IDLE_RETRY] = IDLE_RETRY_S,
				    [IDLE_WAIT] = QUIET_S,
				    [IDLE_MORE] = GAP_S,
				    [IDLE_ALONE] = GAP_S};
	struct idle *i = t->data;
	enum idle_next soonest = IDLE_DONE;

	(void)revents;
	ev_timer_stop(loop, t);
	for (size_t k = 0; k < i->n && soonest != IDLE_ALONE; k++) {
		enum idle_next next = i->chores[k](i->arg);

		if (next > soonest)
			soonest = next;
	}
	if (soonest != IDLE_DONE)
		idle_in(i, in[soonest]);
}

int idle_open(struct ev_loop *loop, idle_chore *const *chores, size_t n, void *arg,
	      struct idle **out, struct err *e)
{
	struct idle *i = calloc(1, sizeof(*i));

	*out = i;
	if (!i)
		return err_set(e, ENOMEM, "out of memory");
	*i = (struct idle){.loop = loop, .chores = chores, .n = n, .arg = arg};
	ev_init(&i->due, on_due);
	i->due.data = i;
	return 0;
}

void idle_close(struct idle *i)
{
	if (i)
		ev_timer_stop(i->loop, &i->due);
	free(i);
}
