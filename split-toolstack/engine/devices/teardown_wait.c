/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that wait for a disk or name of a device that is being removed. */
#include "split-toolstack/engine/devices/teardown_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

/* `chaos destroy` does not wait for backends, so a create just after it finds the old VM's
 * devices still there. It waits this long for one of them. */
#define WAIT_S 10.0
/* The kernel closes a disk some moments after it has reported that its backend is gone. */
#define LATELY_S 2.0
#define AGAIN_S	 0.05

/* --- was there one lately --- */

bool teardown_lately(const struct engine *en)
{
	ev_tstamp left = engine_devices(en)->teardown_waits->disk_left;

	return left != 0. && ev_now(engine_loop(en)) - left < LATELY_S;
}

/* --- waiting --- */

static void check_waiters(struct engine *en, double seconds)
{
	ev_timer_stop(engine_loop(en), &engine_devices(en)->teardown_waits->timer);
	ev_timer_set(&engine_devices(en)->teardown_waits->timer, seconds > 0. ? seconds : 0., 0.);
	ev_timer_start(engine_loop(en), &engine_devices(en)->teardown_waits->timer);
}

/* All wait for the same time, so the first in the list is the first whose time is over. */
static void check_later(struct engine *en)
{
	double left;

	if (!engine_devices(en)->teardown_waits->first)
		return;
	left = engine_devices(en)->teardown_waits->first->until - ev_now(engine_loop(en));
	check_waiters(en, teardown_lately(en) && left > AGAIN_S ? AGAIN_S : left);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct teardown_wait *l;
	uint32_t n = 0;

	(void)revents;
	ev_timer_stop(loop, t);
	DL_COUNT(engine_devices(en)->teardown_waits->first, l, n);
	while (n-- && (l = engine_devices(en)->teardown_waits->first) !=
			      NULL) { /* those that wait on come behind */
		DL_DELETE(engine_devices(en)->teardown_waits->first, l);
		l->prev = NULL;
		l->again(l, ev_now(loop) >= l->until);
	}
	check_later(en);
}

int teardown_wait_open(struct engine *en, struct err *e)
{
	struct teardown_waits *all = calloc(1, sizeof(*all));

	if (!all)
		return err_set(e, ENOMEM, "out of memory");
	engine_devices(en)->teardown_waits = all;
	ev_init(&all->timer, on_timer);
	all->timer.data = en;
	return 0;
}

void teardown_wait_close(struct engine *en)
{
	struct teardown_waits *all = engine_devices(en)->teardown_waits;

	if (!all)
		return;
	while (all->first)
		teardown_wait_end(en, all->first);
	ev_timer_stop(engine_loop(en), &all->timer);
	free(all);
	engine_devices(en)->teardown_waits = NULL;
}

void teardown_wait_begin(struct engine *en, struct teardown_wait *l)
{
	if (l->until == 0.)
		l->until = ev_now(engine_loop(en)) + WAIT_S;
	DL_APPEND(engine_devices(en)->teardown_waits->first, l);
	if (!ev_is_active(&engine_devices(en)->teardown_waits->timer) || teardown_lately(en))
		check_later(en);
}

bool teardown_wait_again(struct engine *en, struct teardown_wait *l)
{
	if (l->until != 0. && ev_now(engine_loop(en)) >= l->until)
		return false;
	teardown_wait_begin(en, l);
	return true;
}

void teardown_wait_end(struct engine *en, struct teardown_wait *l)
{
	if (l->prev)
		DL_DELETE(engine_devices(en)->teardown_waits->first, l);
	l->prev = NULL;
	l->until = 0.;
}

int teardown_wait_over(struct err *e)
{
	char what[ERR_MSG_MAX];

	memcpy(what, e->msg, sizeof(what));
	return err_set(e, EBUSY, "%.400s; its last VM still holds it after %.0f s", what, WAIT_S);
}

void teardown_wait_gone(struct engine *en, const struct device *d)
{
	if (device_file(&d->cfg) && d->phase >= PHASE_CLOSING)
		engine_devices(en)->teardown_waits->disk_left = ev_now(engine_loop(en));
	if (engine_devices(en)->teardown_waits->first)
		check_waiters(en, 0.); /* not inside the end of a device */
}
