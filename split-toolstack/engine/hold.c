/* SPDX-License-Identifier: BSD-3-Clause */
/* When a guest runs: its devices are there, or it goes without them. */
#include "split-toolstack/engine/device.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * xen-netback binds a channel and only then remembers its interrupt. An event that the guest sends
 * in between is acknowledged to the wrong interrupt, and the channel stays masked: the guest can
 * send nothing for ever. So a noxs guest runs when the kernel's backends of its devices are
 * connected, not before. A guest out of a shell with vifs never waits: they are connected. Others
 * wait some milliseconds.
 *
 * With VM_CREATE_WAIT_DEVICES the VM is being built until all its devices are there, and a device
 * that does not come ends the create. Without it, and at restarts, the guest runs without such a
 * device after a moment.
 */
#define HOLD_S 5.0

static int run(struct vm *vm)
{
	int rc = vm_check_domain(vm);

	vm_hold_end(vm);
	vm->unpaused = clock_ns();
	if (rc == 0)
		rc = xen_domain_unpause(vm->en->x, vm->domid);
	if (rc == 0)
		vm->life.now = NOW_RUNNING;
	return rc;
}

/* With nothing that waits for the answer: what is recorded and shown is what is so. */
static void run_or_tell(struct vm *vm)
{
	int rc = run(vm);
	struct err e = {0};

	if (rc == 0)
		return;
	if (rc == -ESRCH) { /* it is gone, which is noticed as any end */
		vm->life.now = NOW_RUNNING;
		death_hint(vm->en);
		return;
	}
	(void)err_sys(&e, -rc, "unpause");
	log_line(LOG_ERROR,
		 "op=start dom=%u name=%s: %s; it stays paused: \"chaos unpause %s\" tries again",
		 vm->domid, vm->name, err_msg(&e), vm->name);
	vm->life.now = NOW_PAUSED;
	if (vm_record(vm, &e) < 0)
		log_line(LOG_ERROR, "name=%s: %s", vm->name, err_msg(&e));
	vm_announce(vm, VM_EV_PAUSED);
}

/* --- the create waits --- */

static void look_in(struct vm *vm, double seconds)
{
	ev_timer_stop(vm->en->loop, &vm->hold);
	ev_timer_set(&vm->hold, seconds > 0. ? seconds : 0., 0.);
	ev_timer_start(vm->en->loop, &vm->hold);
}

static void on_hold(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct vm *vm = t->data;
	struct err e = {0};
	int rc;

	(void)revents;
	ev_timer_stop(loop, t);
	if (!life_create_waits(&vm->life)) {
		log_line(LOG_WARN,
			 "op=start dom=%u name=%s: a backend has not come: it starts without",
			 vm->domid, vm->name);
		run_or_tell(vm);
		return;
	}
	rc = devices_there(&vm->devices, vm->cfg.ndevice, ev_now(loop), &vm->life.gate_until, &e);
	if (rc == -EAGAIN) {
		look_in(vm, vm->life.gate_until - ev_now(loop));
		return;
	}
	vm->life.gate_until = 0.;
	vm_start_over(vm, rc, &e);
}

static void start_timer(struct vm *vm, double seconds)
{
	ev_timer_init(&vm->hold, on_hold, seconds, 0.);
	vm->hold.data = vm;
	ev_timer_start(vm->en->loop, &vm->hold);
}

/* A device is there, or never will be. */
static void hold_look(struct vm *vm)
{
	if (life_create_waits(&vm->life))
		look_in(vm, 0.); /* not inside what has happened to a device */
	else if (vm->life.now == NOW_GATED && !devices_gate(&vm->devices))
		run_or_tell(vm);
}

bool vm_wait_devices(struct vm *vm)
{
	if (!(vm->flags & VM_CREATE_WAIT_DEVICES) || !devices_lack(&vm->devices))
		return false;
	vm->life.now = NOW_GATED;
	vm->life.gate_until = ev_now(vm->en->loop) + ATTACH_S;
	start_timer(vm, ATTACH_S);
	hold_look(vm); /* one may be broken already */
	return true;
}

/* --- the guest waits --- */

int vm_let_run(struct vm *vm)
{
	if (!devices_gate(&vm->devices))
		return run(vm);
	vm->life.now = NOW_GATED;
	vm->life.gate_until = 0.;
	start_timer(vm, HOLD_S);
	return 0;
}

void vm_hold_end(struct vm *vm)
{
	vm->life.gate_until = 0.;
	ev_timer_stop(vm->en->loop, &vm->hold);
}

static void devices_changed(struct device_set *s, bool news)
{
	(void)news;
	hold_look((struct vm *)(void *)((char *)s - offsetof(struct vm, devices)));
}

static void devices_failed(struct device_set *s, const struct err *e)
{
	(void)e;
	devices_changed(s, false);
}

const struct device_set_ops vm_device_set_ops = {
	.changed = devices_changed, .failed = devices_failed, .gone = vm_devices_gone};
