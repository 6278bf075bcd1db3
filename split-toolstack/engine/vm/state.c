/* SPDX-License-Identifier: BSD-3-Clause */
/* Events reach a VM through one table; what others see of the state it is in. */
#include <errno.h>

#include "base/log.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms.h"

int life_impossible(const struct vm *vm, enum life_event ev)
{
	static const char *const name[LIFE_EVENTS] = {
		"placed", "built",   "connected", "freed",   "timer", "ended", "unheard", "run",
		"pause",  "destroy", "save",	  "written", "taken", "move",  "wake"};

	log_line(LOG_ERROR, "name=%s: \"%s\" in state %u is not possible and was ignored", vm->name,
		 name[ev], vm->life.now);
	return -EINVAL;
}

void vm_has_ended(struct vm *vm, const struct xen_domain_info *info)
{
	const struct life_news n = {.info = info};

	(void)life_event(vm, LIFE_ENDED, &n);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	const struct life_news n = {0};

	(void)revents;
	ev_timer_stop(loop, t);
	(void)life_event(t->data, LIFE_TIMER, &n);
}

void life_timer(struct vm *vm, double seconds)
{
	ev_timer *t = &vm->life.timer;

	ev_timer_stop(engine_loop(vm->en), t);
	ev_timer_init(t, on_timer, seconds > 0. ? seconds : 0., 0.);
	t->data = vm;
	ev_timer_start(engine_loop(vm->en), t);
}

void life_timer_stop(struct vm *vm)
{
	ev_timer_stop(engine_loop(vm->en), &vm->life.timer);
}
