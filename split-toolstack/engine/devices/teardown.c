/* SPDX-License-Identifier: BSD-3-Clause */
/* Removes devices: a few at a time, so that others can be made meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* One kernel thread (xenwatch) does all the work of kernel backends, in order: to connect a
 * device it first finishes all removals before it. Removing an interface waits for RCU, tens of
 * milliseconds each, unless RCU is expedited. */
#define AT_ONCE 2u
/* An event that has not come after this time was lost, or never sent. */
#define LOST_S 5.0
/* A driver that is just probing a device when its nodes are removed writes some of them again, and
 * the kernel, which finds nodes then, keeps the device: they are removed again after this time. */
#define AGAIN_S 0.5
/* The kernel may be about to make a backend for new nodes: the id must not be used again until
 * that is decided. */
#define UNSEEN_S 0.1

struct teardown {
	struct device *queue; /* utlist head: wait for their turn */
	uint32_t under_way;   /* whose turn it is */
	bool held;	      /* nothing is begun: a walk over all devices is under way */
	bool hurried;	      /* rcu_expedited is set by us */
	int mark;	      /* file: whether it is ours; -1: it could not be opened */
};

/* Records, for the next daemon too, whether this process has set it and it was 0 before. */
static bool mark(const struct engine *en, bool ours)
{
	return engine_devices(en)->teardown->mark >= 0 &&
	       pwrite(engine_devices(en)->teardown->mark, ours ? "1" : "0", 1, 0) == 1;
}

/* Sets it back to 0 only if it was 0 before. The record exists before the setting is changed and
 * until it is restored. */
void teardown_hurry(struct engine *en, bool on)
{
	struct teardown *t = engine_devices(en)->teardown;

	if (t->hurried == on || !engine_settings(en)->limits.rcu_expedited)
		return;
	if (on && (kernel_rcu_expedited() != 0 || !mark(en, true)))
		return;
	if (kernel_set_rcu_expedited(on) == 0)
		t->hurried = on;
	if (!t->hurried)
		(void)mark(en, false);
}

bool teardown_hurried(const struct engine *en)
{
	return engine_devices(en)->teardown->hurried;
}

int teardown_open(struct engine *en, struct err *e)
{
	struct teardown *t = calloc(1, sizeof(*t));
	char path[512];
	char ours = '0';

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	engine_devices(en)->teardown = t;
	(void)snprintf(path, sizeof(path), "%s/rcu_expedited", engine_settings(en)->run_dir);
	t->mark = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->mark < 0 || pread(t->mark, &ours, 1, 0) != 1 || ours != '1' ||
	    kernel_set_rcu_expedited(false) < 0)
		return 0;
	log_line(LOG_INFO, "op=clean rcu_expedited=0: the last daemon had set it");
	(void)mark(en, false);
	return 0;
}

static void wait_until_lost(struct device *d, double seconds);

static void on_lost(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct device *d = t->data;
	const char *deaf;
	struct err e = {0};
	int rc;

	(void)revents;
	if (!d->backend->has(d)) {
		ev_timer_stop(loop, t);
		device_gone(d);
		return;
	}
	devtree_remove(engine_devices(d->en)->host.store, &d->id);
	if (d->backend->stop_again)
		d->backend->stop_again(d);
	if (ev_now(loop) < d->lost_at) {
		wait_until_lost(d, AGAIN_S);
		return;
	}
	deaf = d->backend->deaf ? d->backend->deaf(d->en) : NULL;
	rc = err_set(&e, ETIMEDOUT, "%s %u of domain %u: the kernel has not released it yet%s%s",
		     d->id.kind, d->key.devid, d->key.domid,
		     deaf ? ", and cannot before the host is restarted: " : "", deaf ? deaf : "");
	if (!d->lost)
		log_line(LOG_WARN, "op=device: %s", err_msg(&e));
	d->lost = true;
	device_done(d, rc, &e); /* which stops the timer */
	wait_until_lost(d, LOST_S);
}

static void wait_until_lost(struct device *d, double seconds)
{
	ev_timer_stop(engine_loop(d->en), &d->timer);
	ev_timer_init(&d->timer, on_lost, seconds, 0.);
	d->timer.data = d;
	ev_timer_start(engine_loop(d->en), &d->timer);
}

static void remove_now(struct device *d)
{
	struct engine *en = d->en;
	enum backend_end end;

	d->phase = PHASE_REMOVING;
	store_unhook(engine_devices(en)->host.store, &d->back);
	device_hide(d);
	end = d->backend->stop(d);
	if (end == END_NOW || end == END_TOLD) {
		devtree_remove(engine_devices(en)->host.store, &d->id);
		if (end == END_NOW)
			device_gone(d);
		return;
	}
	if (end == END_QUEUE) {
		engine_devices(en)->teardown->under_way++;
		d->counted = true;
		teardown_hurry(en, true);
	}
	d->lost_at = ev_now(engine_loop(en)) + LOST_S;
	wait_until_lost(d, d->counted ? AGAIN_S : UNSEEN_S);
	devtree_remove(engine_devices(en)->host.store, &d->id);
}

void teardown_next(struct engine *en)
{
	struct teardown *t = engine_devices(en)->teardown;

	if (t->held) /* called from below, or from a walk */
		return;
	t->held = true;
	while (t->queue && t->under_way < AT_ONCE) {
		struct device *d = t->queue;

		DL_DELETE2(t->queue, d, queue_prev, queue_next);
		d->queue_prev = NULL;
		remove_now(d);
	}
	t->held = false;
	if (teardown_is_idle(en))
		teardown_hurry(en, false);
}

void teardown_hold(struct engine *en)
{
	engine_devices(en)->teardown->held = true;
}

void teardown_release(struct engine *en)
{
	engine_devices(en)->teardown->held = false;
	teardown_next(en);
}

bool teardown_is_idle(const struct engine *en)
{
	return engine_devices(en)->teardown->under_way == 0 && !engine_devices(en)->teardown->queue;
}

void teardown_close(struct engine *en)
{
	struct teardown *t = engine_devices(en)->teardown;

	if (!t)
		return;
	for (struct device *d = t->queue; d; d = d->queue_next) {
		device_hide(d);
		devtree_remove(engine_devices(en)->host.store, &d->id);
	}
	teardown_hurry(en, false);
	if (t->mark >= 0)
		(void)close(t->mark);
	free(t);
	engine_devices(en)->teardown = NULL;
}

void device_remove(struct device *d)
{
	struct engine *en = d->en;

	if (d->phase >= PHASE_QUEUED)
		return;
	if (d->phase == PHASE_MADE) {
		device_gone(d);
		return;
	}
	d->phase = PHASE_QUEUED;
	DL_APPEND2(engine_devices(en)->teardown->queue, d, queue_prev, queue_next);
	teardown_next(en);
}

/* It is about to be freed. */
void devices_forget(struct device *d)
{
	struct engine *en = d->en;
	struct device **at = d->set ? &d->set->first : NULL;

	while (at && *at && *at != d)
		at = &(*at)->next;
	if (at && *at)
		*at = d->next;
	d->set = NULL;
	if (d->tell_prev)
		DL_DELETE2(engine_devices(en)->untold, d, tell_prev, tell_next);
	d->tell_prev = NULL;
	if (d->queue_prev && engine_devices(en)->teardown) /* else all go: the engine closes */
		DL_DELETE2(engine_devices(en)->teardown->queue, d, queue_prev, queue_next);
	d->queue_prev = NULL;
	if (d->counted && engine_devices(en)->teardown)
		engine_devices(en)->teardown->under_way--;
	d->counted = false;
	ev_timer_stop(engine_loop(en), &d->timer);
	ev_timer_stop(engine_loop(en), &d->again);
}

void devices_drop(struct device_set *set)
{
	struct device *d;

	while ((d = set->first) != NULL) {
		set->first = d->next;
		d->next = NULL;
		d->set = NULL;
		d->vm = NULL;
		if (d->done) {
			struct err e = {0};
			int rc = err_set(&e, ECANCELED, "the VM has ended");

			device_done(d, rc, &e);
		}
		device_remove(d);
	}
}

/* --- what waits for that --- */

static struct device_domain *find_domain(struct engine *en, uint32_t domid)
{
	struct device_domain *dom = NULL;

	HASH_FIND(hh, engine_devices(en)->domains, &domid, sizeof(domid), dom);
	return dom;
}

bool devices_of(struct engine *en, uint32_t domid)
{
	return find_domain(en, domid);
}

bool devices_wait(struct engine *en, struct device_set *set, uint32_t domid)
{
	struct device_domain *dom = find_domain(en, domid);

	if (!dom)
		return false;
	dom->waits = set;
	set->waits_for = domid;
	return true;
}

void devices_wait_no_more(struct engine *en, struct device_set *set)
{
	struct device_domain *dom = set->waits_for ? find_domain(en, set->waits_for) : NULL;

	set->waits_for = 0;
	if (dom && dom->waits == set)
		dom->waits = NULL;
}

static void domain_left(struct device_domain *dom, struct engine *en)
{
	struct device_set *waits = dom->waits;

	if (!vm_by_domid(en, dom->domid)) /* its VM has ended already */
		store_forget_domain(engine_devices(en)->host.store, dom->domid);
	HASH_DELETE(hh, engine_devices(en)->domains, dom);
	engine_devices(en)->host.domain_free(en, dom->domid);
	free(dom);
	if (waits) {
		waits->waits_for = 0;
		waits->ops->gone(waits);
	}
}

/* Backends remove what they made for the domain. If one takes time for that, the domain counts
 * as one with devices: its record stays until nothing is left, even if the daemon is killed. */
static void leave_backends(struct device_domain *dom, struct engine *en)
{
	dom->lived = vm_by_domid(en, dom->domid) != NULL;
	for (uint32_t i = 0; i < DEVICE_BACKENDS; i++)
		if (engine_devices(en)->backends[i]->domain_gone &&
		    engine_devices(en)->backends[i]->domain_gone(en, dom->domid))
			dom->leaving++;
	if (dom->leaving == 0)
		domain_left(dom, en);
}

void device_domain_put(struct device_domain *dom, struct engine *en)
{
	if (--dom->n == 0)
		leave_backends(dom, en);
}

void devices_left(struct engine *en, uint32_t domid)
{
	struct device_domain *dom = find_domain(en, domid);

	if (!dom) { /* of a domain that the last daemon was ending */
		if (!vm_by_domid(en, domid))
			store_forget_domain(engine_devices(en)->host.store, domid);
		engine_devices(en)->host.domain_free(en, domid);
		return;
	}
	if (--dom->leaving || dom->n) /* it has other devices now */
		return;
	if (dom->lived && !vm_by_domid(en, domid))
		leave_backends(dom, en); /* more can go now */
	else
		domain_left(dom, en);
}
