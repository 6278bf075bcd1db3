/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of this room for unit tests. */
#include "split-toolstack/engine/devices/devices_test.h"

#include <string.h>

#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/device.h"
#include "split-toolstack/engine/devices/kind.h"

int devices_test_disk_admit(struct engine *en, const struct vm *self, const struct device_config *d,
			    struct err *e)
{
	return vbd_admit(en, self, d, e);
}

int devices_test_mirror_open(struct engine *en)
{
	rows_choose(en);
	return engine_devices(en)->backends[BACKEND_KERNEL]->setup(en, NULL);
}

void devices_test_uevent(struct engine *en, const char *buf, size_t len)
{
	uevent_take(en, buf, len);
}

const char *devices_test_ifname(struct engine *en, const char *kind, uint32_t domid, uint32_t devid)
{
	const struct device *d =
		device_find(en, domid, strcmp(kind, "vif") == 0 ? DEVICE_VIF : DEVICE_VBD, devid);

	return d && d->ifname[0] ? d->ifname : NULL;
}

void devices_test_each_started(struct engine *en, devices_test_fn *fn)
{
	struct device *d;
	struct device *tmp;

	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	if (d->phase == PHASE_STARTED)
		fn(d->id.kind, d->key.domid, d->key.devid, d->noxs);
}

bool devices_test_any(struct engine *en)
{
	return engine_devices(en)->all != NULL;
}

bool devices_test_any_domain(struct engine *en)
{
	return engine_devices(en)->domains != NULL;
}

bool devices_test_teardown_is_idle(struct engine *en)
{
	return teardown_is_idle(en);
}

bool devices_test_any_reservation(struct engine *en)
{
	return engine_devices(en)->reservations != NULL;
}

bool devices_test_any_waits(struct engine *en)
{
	return engine_devices(en)->teardown_waits->first != NULL;
}

void devices_test_waits_are_over(struct engine *en)
{
	struct teardown_waits *w = engine_devices(en)->teardown_waits;

	for (struct teardown_wait *l = w->first; l; l = l->next)
		l->until = ev_now(engine_loop(en));
	ev_timer_stop(engine_loop(en), &w->timer);
	ev_timer_set(&w->timer, 0., 0.);
	ev_timer_start(engine_loop(en), &w->timer);
}

void devices_test_break(struct device_set *set, uint32_t nth, const char *why)
{
	struct device *d = set->first;

	while (nth--)
		d = d->next;
	device_broken(d, "%s", why);
}

void devices_test_all_reached(struct engine *en)
{
	engine_devices(en)->reached = engine_devices(en)->started;
	engine_devices(en)->reached_at = ev_now(engine_loop(en));
}

void devices_test_connect(struct device_set *set)
{
	for (struct device *d = set->first; d; d = d->next)
		d->phase = PHASE_CONNECTED;
}

void devices_test_unconnect_all(struct engine *en)
{
	for (struct device *d = engine_devices(en)->all; d; d = d->hh.next)
		d->phase = d->phase == PHASE_CONNECTED ? PHASE_STARTED : d->phase;
}
