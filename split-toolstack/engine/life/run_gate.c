/* SPDX-License-Identifier: BSD-3-Clause */
/* When a guest runs: its devices are there, or it goes without them. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/device.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm.h"

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

	life_timer_stop(vm);
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
		deaths_hint(vm->en->deaths);
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

int life_look_at_connecting(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_timer(vm, 0.);
	return 0;
}

int life_connect_time(struct vm *vm, const struct life_news *n)
{
	struct err e = {0};
	ev_tstamp now = ev_now(vm->en->loop);
	int rc = devices_there(&vm->devices, vm->cfg.ndevice, now, &vm->life.connect_until, &e);

	(void)n;
	if (rc == -EAGAIN)
		life_timer(vm, vm->life.connect_until - now);
	else
		life_start(vm, rc, &e);
	return 0;
}

bool life_connect(struct vm *vm)
{
	if (!(vm->create.flags & VM_CREATE_WAIT_DEVICES) || !devices_lack(&vm->devices))
		return false;
	vm->life.now = NOW_CONNECTING;
	vm->life.connect_until = ev_now(vm->en->loop) + ATTACH_S;
	life_timer(vm, 0.); /* one may be broken already */
	return true;
}

/* --- the guest waits --- */

int vm_let_run(struct vm *vm)
{
	if (!devices_gate(&vm->devices))
		return run(vm);
	vm->life.now = NOW_GATED;
	life_timer(vm, HOLD_S);
	return 0;
}

int life_look_at_gated(struct vm *vm, const struct life_news *n)
{
	(void)n;
	if (!devices_gate(&vm->devices))
		run_or_tell(vm);
	return 0;
}

int life_gate_time(struct vm *vm, const struct life_news *n)
{
	(void)n;
	log_line(LOG_WARN, "op=start dom=%u name=%s: a backend has not come: it starts without",
		 vm->domid, vm->name);
	run_or_tell(vm);
	return 0;
}

/* --- what devices tell --- */

static void raise_event(struct device_set *s, enum life_event ev)
{
	const struct life_news n = {0};

	(void)life_event((struct vm *)(void *)((char *)s - offsetof(struct vm, devices)), ev, &n);
}

static void devices_changed(struct device_set *s, bool news)
{
	(void)news;
	raise_event(s, LIFE_CONNECTED);
}

static void devices_failed(struct device_set *s, const struct err *e)
{
	(void)e;
	raise_event(s, LIFE_CONNECTED);
}

static void devices_gone(struct device_set *s)
{
	raise_event(s, LIFE_FREED);
}

const struct device_set_ops vm_device_set_ops = {
	.changed = devices_changed, .failed = devices_failed, .gone = devices_gone};
