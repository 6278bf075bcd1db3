/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made before they are requested, refilled while there are no requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/pool/pool-t.h"

/* This long after the last claim, a target that was raised by demand begins to go down: a
 * quarter at a time. */
#define SINK_S	      10.0
#define BOOTED_GAP_NS 500000000u

const char *vm_way_name(enum vm_way w)
{
	static const char *const name[] = {"cold", "shell", "warm", "gated", "booted"};

	return name[w];
}

/* --- refilling --- */

void pool_refill_soon(struct engine *en)
{
	if (engine_pool(en) && engine_pool(en)->flavors)
		idle_soon(engine_idle(en));
}

/* A copy that boots takes the CPUs for as long as hundreds of creates do. While others wait, the
 * guests that were claimed have the CPUs first, for a moment. */
static bool is_early(const struct flavor *f, uint64_t now)
{
	return f->copies && copies_boot(f->copies) && f->f.ready &&
	       now < f->lacks_at + BOOTED_GAP_NS;
}

/* The next flavor that lacks a shell and may make one; *later if one must wait. */
static struct flavor *hungry(struct engine *en, bool *later)
{
	uint64_t held = pool_held(en);
	uint64_t now = clock_ns();
	uint64_t kib;

	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next) {
		if (f->f.ready + f->connecting >= f->f.target) {
			f->burst = 0; /* what comes next is another one */
			continue;
		}
		/* Continues when one of them is complete. Until they are told their own address,
		 * booted guests may have the address of the original: so one runs at a time. */
		if ((f->f.vifs && !pool_may_connect(en)) ||
		    (f->copies && copies_boot(f->copies) && f->connecting))
			continue;
		kib = f->copies ? copies_next_kib(f->copies) : f->f.mem_kib;
		if (now < f->retry_at || is_early(f, now))
			*later = true;
		else if (held + kib <= engine_settings(en)->limits.pool_kib &&
			 !memory_is_coming(en, kib))
			return f;
	}
	return NULL;
}

/* Makes one shell, then leaves a gap in which guests and clients get the CPU. */
enum idle_next pool_refill(struct engine *en)
{
	bool later = false;
	bool busy = engine_pool(en)->job || memory_builds(en) || images_busy(engine_images(en));
	struct flavor *f = busy ? NULL : hungry(en, &later);

	if (f) {
		pool_make_shell(en, f);
		return IDLE_ALONE;
	}
	if (engine_pool(en)->job)
		return IDLE_WAIT;
	return later ? IDLE_RETRY : IDLE_DONE;
}

/* --- learning from demand --- */

/* Number of creates since the last refill: so many shells should have been there. */
void flavor_wanted(struct engine *en, struct flavor *f)
{
	f->wanted_at = clock_ns();
	if (f->burst == 0)
		f->lacks_at = f->wanted_at;
	if (++f->burst > f->f.target && f->f.target < f->f.high) {
		f->f.target = f->burst < f->f.high ? f->burst : f->f.high;
		if (!ev_is_active(&engine_pool(en)->sink))
			ev_timer_again(engine_loop(en), &engine_pool(en)->sink);
	}
}

static void on_sink(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	uint64_t now = clock_ns();
	bool raised = false;

	(void)revents;
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next) {
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
	engine_set_pool(en, calloc(1, sizeof(struct pool)));
	if (!engine_pool(en))
		return err_set(e, ENOMEM, "out of memory");
	ev_timer_init(&engine_pool(en)->sink, on_sink, 0., SINK_S);
	engine_pool(en)->sink.data = en;
	engine_pool(en)->ops = ops;
	gate_open(en);
	booted_open(en);
	return 0;
}

void pool_close(struct engine *en)
{
	if (!engine_pool(en))
		return;
	ev_timer_stop(engine_loop(en), &engine_pool(en)->sink);
	gate_close(en);
	booted_close(en);
	engine_pool(en)->closed = true;
	while (engine_pool(en)->flavors) {
		struct flavor *f = engine_pool(en)->flavors;

		engine_pool(en)->flavors = f->next;
		flavor_ends(en, f);
	}
}

void pool_free(struct engine *en)
{
	free(engine_pool(en));
	engine_set_pool(en, NULL);
}

bool pool_drop(struct engine *en)
{
	bool any = engine_pool(en)->flavors != NULL;

	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next) {
		flavor_drop_shells(en, f, 0);
		if (f->copies && !pool_makes_of(en, f->copies))
			copies_end_template(f->copies);
		f->retry_at = clock_ns() + (uint64_t)(POOL_RETRY_S * 1e9);
	}
	pool_connecting_drop(en);
	if (any)
		idle_in(engine_idle(en), POOL_RETRY_S);
	return any;
}
