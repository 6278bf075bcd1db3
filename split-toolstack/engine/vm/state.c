/* SPDX-License-Identifier: BSD-3-Clause */
/* Events and the state of a VM: the entry of the table, and functions for other rooms. */
#include <errno.h>

#include "base/log.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms-t.h"
#include "split-toolstack/engine/vm/vms.h"

int life_impossible(const struct vm *vm, enum life_event ev)
{
	static const char *const name[LIFE_EVENTS] = {
		"placed", "built",   "connected", "freed",   "timer", "ended", "unheard", "run",
		"pause",  "destroy", "save",	  "written", "taken", "move",  "wake"};

	log_line(LOG_ERROR, "name=%s: \"%s\" in state %u is not possible and was ignored", vm->name,
		 name[ev], vm->state.now);
	return -EINVAL;
}

const struct life_cell *life_cell(const struct vm *vm, enum life_event ev)
{
	return &engine_vms(vm->en)->life[vm->state.now][ev];
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
	ev_timer *t = &vm->state.timer;

	ev_timer_stop(engine_loop(vm->en), t);
	ev_timer_init(t, on_timer, seconds > 0. ? seconds : 0., 0.);
	t->data = vm;
	ev_timer_start(engine_loop(vm->en), t);
}

void life_timer_stop(struct vm *vm)
{
	ev_timer_stop(engine_loop(vm->en), &vm->state.timer);
}

/* --- the state it is in --- */

enum vm_now life_now(const struct vm *vm)
{
	return vm->state.now;
}

void life_go(struct vm *vm, enum vm_now now)
{
	vm->state.now = now;
}

enum vm_want life_want(const struct vm *vm)
{
	return vm->state.want;
}

void life_set_want(struct vm *vm, enum vm_want want)
{
	vm->state.want = want;
}

void life_go_as(struct vm *vm, enum vm_now now, enum vm_want want)
{
	vm->state.now = now;
	vm->state.want = want;
}

enum vm_wait life_wait(const struct vm *vm)
{
	return vm->state.wait;
}

void life_wait_for(struct vm *vm, enum vm_wait wait)
{
	vm->state.wait = wait;
}

bool life_is_kept(const struct vm *vm)
{
	return vm->state.kept;
}

void life_keep(struct vm *vm)
{
	vm->state.kept = true;
}

enum vm_state vm_state(const struct vm *vm)
{
	static const enum vm_state state[NOW_COUNT] = {
		[NOW_NEW] = VM_BUILDING,
		[NOW_WAITING] = VM_BUILDING,
		[NOW_BUILDING] = VM_BUILDING,
		[NOW_CONNECTING] = VM_BUILDING,
		[NOW_GATED] = VM_RUNNING,
		[NOW_RUNNING] = VM_RUNNING,
		[NOW_PAUSED] = VM_PAUSED,
		[NOW_SAVING] = VM_SAVING,
		[NOW_MOVING] = VM_MOVING,
		[NOW_ARRIVING] = VM_BUILDING,
		[NOW_PRESERVED] = VM_ENDED_PRESERVED,
		[NOW_ABANDONED] = VM_ENDED,
		[NOW_ENDED] = VM_ENDED,
		[NOW_UNKNOWN] = VM_UNKNOWN,
		[NOW_ASLEEP] = VM_ASLEEP,
		[NOW_WAKING] = VM_ASLEEP, /* also to the next daemon */
	};

	return state[vm->state.now];
}

bool life_has_threads(const struct vm *vm)
{
	enum vm_now now = vm->state.now;

	return now == NOW_BUILDING || now == NOW_ABANDONED || now == NOW_WAKING ||
	       ((now == NOW_NEW || now == NOW_WAITING) && vm->state.wait == WAIT_IMAGE);
}

bool life_has_domain(const struct vm *vm)
{
	enum vm_now now = vm->state.now;

	return now == NOW_GATED || now == NOW_RUNNING || now == NOW_PAUSED || now == NOW_SAVING ||
	       now == NOW_MOVING || now == NOW_PRESERVED;
}

bool life_is_over(const struct vm *vm)
{
	return vm->state.now == NOW_ENDED || vm->state.now == NOW_ABANDONED;
}
