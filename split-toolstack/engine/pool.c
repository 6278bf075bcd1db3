/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made before anybody asks, refilled when nobody does. */
#include "split-toolstack/engine/devices/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* Refilling waits until nobody has asked for so long: it must not run into the next request, nor
 * keep the CPU from the guest that was just started. Between two shells there is a gap. */
#define REFILL_QUIET_S 0.005
#define REFILL_GAP_S   0.0005
#define TRIM_AT_ONCE   4u
#define NAMES_AT_ONCE  1u
#define HEAP_AHEAD     (64u << 10)
/* So long after the last claim a target that demand had raised begins to sink: a quarter at a time.
 */
#define SINK_S 10.0

const char *vm_way_name(enum vm_way w)
{
	static const char *const name[] = {"cold", "shell", "warm"};

	return name[w];
}

/* --- refilling --- */

static void refill_in(struct engine *en, double seconds)
{
	ev_timer_stop(en->loop, &en->pool.refill);
	ev_timer_set(&en->pool.refill, seconds, 0.);
	ev_timer_start(en->loop, &en->pool.refill);
}

void pool_idle_later(struct engine *en)
{
	refill_in(en, REFILL_QUIET_S);
}

void pool_idle_soon(struct engine *en)
{
	if (en->pool.flavors && !ev_is_active(&en->pool.refill))
		refill_in(en, REFILL_QUIET_S);
}

void pool_idle_now(struct engine *en)
{
	refill_in(en, 0.);
}

/* The next flavor that lacks a shell and may have one; *later when one must wait. */
static struct flavor *hungry(struct engine *en, bool *later)
{
	uint64_t held = pool_held(en);
	uint64_t now = clock_ns();

	for (struct flavor *f = en->pool.flavors; f; f = f->next) {
		if (f->f.ready + f->connecting >= f->f.target) {
			f->burst = 0; /* what comes next is another one */
			continue;
		}
		if (f->f.vifs && !pool_may_connect(en))
			continue; /* goes on when one of them is complete */
		if (now < f->retry_at)
			*later = true;
		else if (held + f->f.mem_kib <= en->conf.pool_kib &&
			 !memory_is_coming(en, f->f.mem_kib))
			return f;
	}
	return NULL;
}

/* The heap's next pages are touched now, not by the next create. */
static void touch_heap(void)
{
	volatile uint8_t *p = malloc(HEAP_AHEAD);

	for (uint32_t i = 0; p && i < HEAP_AHEAD; i += 4096)
		p[i] = 0;
	free((void *)(uintptr_t)p);
}

/* One shell, then a gap in which guests and clients get the CPU. */
static void on_refill(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct flavor *f;
	bool later = false;
	bool more;

	(void)revents;
	ev_timer_stop(loop, t);
	windows_close(en);
	touch_heap();
	devices_tell(en);
	pool_reap(en);
	more = registry_settle(en->registry);
	more = names_settle(en, NAMES_AT_ONCE) || more;
	if (history_trim(en, TRIM_AT_ONCE)) {
		refill_in(en, REFILL_GAP_S);
		return;
	}
	f = en->pool.job || en->builds || images_busy(en->images) ? NULL : hungry(en, &later);
	if (f) {
		pool_make_shell(en, f);
		refill_in(en, REFILL_GAP_S);
	} else if (slots_refill(en->slots) || more) {
		refill_in(en, REFILL_GAP_S);
	} else if (later || en->pool.job) {
		refill_in(en, en->pool.job ? REFILL_QUIET_S : POOL_RETRY_S);
	}
}

/* --- learning from demand --- */

/* Wanted and not refilled since: so many should have been there. */
void flavor_wanted(struct engine *en, struct flavor *f)
{
	f->wanted_at = clock_ns();
	if (++f->burst > f->f.target && f->f.target < f->f.high) {
		f->f.target = f->burst < f->f.high ? f->burst : f->f.high;
		if (!ev_is_active(&en->pool.sink))
			ev_timer_again(en->loop, &en->pool.sink);
	}
}

static void on_sink(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	uint64_t now = clock_ns();
	bool raised = false;

	(void)revents;
	for (struct flavor *f = en->pool.flavors; f; f = f->next) {
		if (f->f.target > f->f.low && now - f->wanted_at >= (uint64_t)(SINK_S * 1e9)) {
			f->f.target -= (f->f.target - f->f.low + 3) / 4;
			flavor_drop_shells(en, f, f->f.target);
		}
		raised = raised || f->f.target > f->f.low;
	}
	if (!raised)
		ev_timer_stop(loop, t);
}

void pool_open(struct engine *en)
{
	ev_init(&en->pool.refill, on_refill);
	en->pool.refill.data = en;
	ev_timer_init(&en->pool.sink, on_sink, 0., SINK_S);
	en->pool.sink.data = en;
}

void pool_close(struct engine *en)
{
	if (!ev_cb(&en->pool.refill))
		return;
	ev_timer_stop(en->loop, &en->pool.refill);
	ev_timer_stop(en->loop, &en->pool.sink);
	while (en->pool.flavors) {
		struct flavor *f = en->pool.flavors;

		en->pool.flavors = f->next;
		flavor_ends(en, f);
	}
}

void pool_drop(struct engine *en)
{
	for (struct flavor *f = en->pool.flavors; f; f = f->next) {
		flavor_drop_shells(en, f, 0);
		f->retry_at = clock_ns() + (uint64_t)(POOL_RETRY_S * 1e9);
	}
	pool_connecting_drop(en);
	if (en->pool.flavors)
		refill_in(en, POOL_RETRY_S);
}
