/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made ahead of requests, refilled while there are none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/pool/pool-t.h"

/* So long after the last claim a target that demand had raised begins to sink: a quarter at a time.
 */
#define SINK_S 10.0

const char *vm_way_name(enum vm_way w)
{
	static const char *const name[] = {"cold", "shell", "warm", "gated", "booted"};

	return name[w];
}

/* --- refilling --- */

void pool_refill_soon(struct engine *en)
{
	if (en->pool && en->pool->flavors)
		idle_soon(en->idle);
}

/* The next flavor that lacks a shell and may have one; *later when one must wait. */
static struct flavor *hungry(struct engine *en, bool *later)
{
	uint64_t held = pool_held(en);
	uint64_t now = clock_ns();

	for (struct flavor *f = en->pool->flavors; f; f = f->next) {
		if (f->f.ready + f->connecting >= f->f.target) {
			f->burst = 0; /* what comes next is another one */
			continue;
		}
		/* Goes on when one of them is complete. Booted guests may have the address of the
		 * one that they are copies of until they are told their own: one runs at a time. */
		if ((f->f.vifs && !pool_may_connect(en)) ||
		    (f->copies && copies_boot(f->copies) && f->connecting))
			continue;
		if (now < f->retry_at)
			*later = true;
		else if (held + f->f.mem_kib <= en->conf.pool_kib &&
			 !memory_is_coming(en, f->f.mem_kib))
			return f;
	}
	return NULL;
}

/* One shell, then a gap in which guests and clients get the CPU. */
enum idle_next pool_refill(struct engine *en)
{
	bool later = false;
	bool busy = en->pool->job || memory_builds(en) || images_busy(en->images);
	struct flavor *f = busy ? NULL : hungry(en, &later);

	if (f) {
		pool_make_shell(en, f);
		return IDLE_ALONE;
	}
	if (en->pool->job)
		return IDLE_WAIT;
	return later ? IDLE_RETRY : IDLE_DONE;
}

/* --- learning from demand --- */

/* Wanted and not refilled since: so many should have been there. */
void flavor_wanted(struct engine *en, struct flavor *f)
{
	f->wanted_at = clock_ns();
	if (++f->burst > f->f.target && f->f.target < f->f.high) {
		f->f.target = f->burst < f->f.high ? f->burst : f->f.high;
		if (!ev_is_active(&en->pool->sink))
			ev_timer_again(en->loop, &en->pool->sink);
	}
}

static void on_sink(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	uint64_t now = clock_ns();
	bool raised = false;

	(void)revents;
	for (struct flavor *f = en->pool->flavors; f; f = f->next) {
		if (f->f.target > f->f.low && now - f->wanted_at >= (uint64_t)(SINK_S * 1e9)) {
			f->f.target -= (f->f.target - f->f.low + 3) / 4;
			flavor_drop_shells(en, f, f->f.target);
		}
		raised = raised || f->f.target > f->f.low;
	}
	if (!raised)
		ev_timer_stop(loop, t);
}

int pool_open(struct engine *en, const struct pool_ops *ops, struct err *e)
{
	en->pool = calloc(1, sizeof(*en->pool));
	if (!en->pool)
		return err_set(e, ENOMEM, "out of memory");
	ev_timer_init(&en->pool->sink, on_sink, 0., SINK_S);
	en->pool->sink.data = en;
	en->pool->ops = ops;
	gate_open(en);
	booted_open(en);
	return 0;
}

void pool_close(struct engine *en)
{
	if (!en->pool)
		return;
	ev_timer_stop(en->loop, &en->pool->sink);
	gate_close(en);
	booted_close(en);
	en->pool->closed = true;
	while (en->pool->flavors) {
		struct flavor *f = en->pool->flavors;

		en->pool->flavors = f->next;
		flavor_ends(en, f);
	}
}

void pool_free(struct engine *en)
{
	free(en->pool);
	en->pool = NULL;
}

bool pool_drop(struct engine *en)
{
	bool any = en->pool->flavors != NULL;

	for (struct flavor *f = en->pool->flavors; f; f = f->next) {
		flavor_drop_shells(en, f, 0);
		f->retry_at = clock_ns() + (uint64_t)(POOL_RETRY_S * 1e9);
	}
	pool_connecting_drop(en);
	if (any)
		idle_in(en->idle, POOL_RETRY_S);
	return any;
}
