/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices whose backend is in dom0's kernel, which finds their nodes in the store. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

#include <errno.h>
#include <stdio.h>

static int possible(const struct engine *en, struct err *e)
{
	if (engine_store_mode(en) != STORE_NOBODY)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "without a store of dom0's (store=none) there are user-space backends only: "
		       "give userspace=1");
}

void kernel_backend_absent(const struct device *d, char *to, size_t room)
{
	const char *driver = d->kind->driver;
	const char *deaf = d->backend->deaf ? d->backend->deaf(d->en) : NULL;

	if (!kernel_has_driver(d->id.kind))
		(void)snprintf(to, room, "%s is not loaded (modprobe %s)", driver, driver);
	else if (deaf)
		(void)snprintf(to, room, "%s cannot be told: %s", driver, deaf);
	else
		(void)snprintf(to, room, "%s is not ready", driver);
}

/* The kernel has one thread that handles devices in order. */
void kernel_backend_seen(struct device *d)
{
	struct engine *en = d->en;

	if (d->nr <= engine_devices(en)->reached)
		return;
	engine_devices(en)->reached = d->nr;
	engine_devices(en)->reached_at = ev_now(engine_loop(en));
}

ev_tstamp kernel_backend_turn(const struct device *d)
{
	return d->nr > engine_devices(d->en)->reached ? engine_devices(d->en)->reached_at + ATTACH_S
						      : 0.;
}

enum backend_end kernel_backend_stop(struct device *d)
{
	if (device_in_kernel(d))
		return END_QUEUE;
	return device_seen(d) ? END_NOW : END_SOON;
}

const struct backend_ops kernel_backend_ops = {.loops = true,
					       .gates = true,
					       .possible = possible,
					       .absent = kernel_backend_absent,
					       .seen = kernel_backend_seen,
					       .turn = kernel_backend_turn,
					       .stop = kernel_backend_stop,
					       .has = device_in_kernel};
