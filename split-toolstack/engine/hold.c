/* SPDX-License-Identifier: BSD-3-Clause */
/* A noxs guest runs when the kernel's backends of its devices are connected, not before. */
#include "split-toolstack/engine/device.h"

#include "base/clock.h"
#include "base/log.h"

/*
 * xen-netback binds a channel and only then remembers its interrupt. An event that the guest sends
 * in between is acknowledged to the wrong interrupt, and the channel stays masked: the guest can
 * send nothing for ever. A guest out of a shell with vifs never waits: they are connected. Others
 * wait some milliseconds; a backend that does not come keeps nobody waiting for long.
 */
#define HOLD_S 5.0

static bool must_wait(const struct vm *vm)
{
	for (const struct device *d = vm->devices; d; d = d->next)
		if (d->noxs && !device_is_user(d) && d->phase < PHASE_CONNECTED && !d->reason[0])
			return true;
	return false;
}

static int run(struct vm *vm)
{
	int rc = vm_check_domain(vm);

	vm_hold_end(vm);
	vm->unpaused = clock_ns();
	return rc < 0 ? rc : xen_domain_unpause(vm->en->x, vm->domid);
}

static void on_hold(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct vm *vm = t->data;

	(void)loop;
	(void)revents;
	log_line(LOG_WARN, "op=start dom=%u name=%s: a backend has not come: it starts without",
		 vm->domid, vm->name);
	(void)run(vm);
}

int vm_let_run(struct vm *vm)
{
	if (!must_wait(vm))
		return run(vm);
	if (vm->held)
		return 0;
	vm->held = true;
	ev_timer_init(&vm->hold, on_hold, HOLD_S, 0.);
	vm->hold.data = vm;
	ev_timer_start(vm->en->loop, &vm->hold);
	return 0;
}

void vm_hold_look(struct vm *vm)
{
	if (vm->held && !must_wait(vm))
		(void)run(vm);
}

void vm_hold_end(struct vm *vm)
{
	vm->held = false;
	ev_timer_stop(vm->en->loop, &vm->hold);
}
