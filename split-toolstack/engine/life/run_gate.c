/* SPDX-License-Identifier: BSD-3-Clause */
/* Lets a guest run when its devices have connected, or without them. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

/* xen-netback binds a channel and stores its interrupt afterwards. An event that the guest sends in
 * between is acknowledged to the wrong interrupt, and the channel stays masked: the guest can never
 * send again. (Xen sends such an event, too: dom0/devtree.c, services/tail_settings.c.) So a noxs
 * guest runs only after the kernel's backends of its devices have connected. A guest from a shell
 * with vifs never waits, because they are connected already; others wait some milliseconds. If a
 * device does not connect, the guest runs without it after HOLD_S; a create with
 * VM_CREATE_WAIT_DEVICES has waited for all devices before (start.c). */
#define HOLD_S 5.0

static int begin(struct vm *vm)
{
	return vm_at_gate(vm) ? control_open_gate(vm)
			      : xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm));
}

int vm_leave_gate(struct vm *vm)
{
	int rc = xen_domain_pause(engine_xen(vm_engine(vm)), vm_domid(vm));

	return rc < 0 ? rc : control_open_gate(vm);
}

static int run(struct vm *vm)
{
	int rc = vm_check_domain(vm);

	life_timer_stop(vm);
	vm_life(vm)->unpaused = clock_ns();
	if (rc == 0)
		rc = begin(vm);
	if (rc == 0)
		life_go(vm, NOW_RUNNING);
	return rc;
}

/* No client waits for the answer: the VM is recorded and shown with the state that it has. */
static void run_or_tell(struct vm *vm)
{
	int rc = run(vm);
	struct err e = {0};

	if (rc == 0)
		return;
	if (rc == -ESRCH) { /* the domain does not exist, which is noticed like any other end */
		life_go(vm, NOW_RUNNING);
		deaths_hint(engine_deaths(vm_engine(vm)));
		return;
	}
	(void)err_sys(&e, -rc, "unpause");
	log_line(LOG_ERROR,
		 "op=start dom=%u name=%s: %s; it stays paused: \"chaos unpause %s\" tries again",
		 vm_domid(vm), vm_name(vm), err_msg(&e), vm_name(vm));
	life_go(vm, NOW_PAUSED);
	if (vm_record(vm, &e) < 0)
		log_line(LOG_ERROR, "name=%s: %s", vm_name(vm), err_msg(&e));
	vm_announce(vm, VM_EV_PAUSED);
}

/* Whether it must wait: devices are not connected, or its file is not deleted yet. */
static bool is_closed(struct vm *vm)
{
	return vm_life(vm)->syncing || devices_gate(vm_devices(vm));
}

int vm_let_run(struct vm *vm)
{
	if (!is_closed(vm))
		return run(vm);
	life_go(vm, NOW_GATED);
	life_timer(vm, HOLD_S);
	return 0;
}

int life_look_at_gated(struct vm *vm, const struct life_news *n)
{
	(void)n;
	if (!is_closed(vm))
		run_or_tell(vm);
	return 0;
}

int life_gate_time(struct vm *vm, const struct life_news *n)
{
	(void)n;
	if (vm_life(vm)->syncing) {
		life_timer(vm, HOLD_S);
		return 0;
	}
	log_line(LOG_WARN,
		 "op=start dom=%u name=%s: a backend has not connected in time: the VM runs "
		 "without it",
		 vm_domid(vm), vm_name(vm));
	run_or_tell(vm);
	return 0;
}
