/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a VM is in its life: struct vm embeds it. */
#ifndef CHAOS_VM_STATE_T_H
#define CHAOS_VM_STATE_T_H

#include <stdbool.h>

#include <ev.h>

#include "split-toolstack/engine/vm/state.h"

struct vm_life {
	enum vm_now now;
	enum vm_want want;
	/* It was told to be there, or an on_* action made it: a build that fails puts it into the
	 * history, and the next daemon builds it. Else nothing of it is left in both cases. */
	bool kept;
	enum vm_wait wait;
	ev_timer timer;		 /* of the state it is in: life_timer() */
	ev_tstamp connect_until; /* NOW_CONNECTING: then the create fails */
	bool syncing;  /* its file among the sleepers is not gone for certain: it must not run */
	bool has_file; /* among the sleepers (life/sleepers.h): it counts while it sleeps */
};

/* What clients see, and what is recorded unless it is VM_UNKNOWN. */
static inline enum vm_state life_state(const struct vm_life *l)
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

	return state[l->now];
}

/* Threads use its configuration, files and image, and call back when they are done. */
static inline bool life_has_threads(const struct vm_life *l)
{
	return l->now == NOW_BUILDING || l->now == NOW_ABANDONED || l->now == NOW_WAKING ||
	       ((l->now == NOW_NEW || l->now == NOW_WAITING) && l->wait == WAIT_IMAGE);
}

/* Its domain is one that runs, or has run, and is not to go. */
static inline bool life_has_domain(const struct vm_life *l)
{
	return l->now == NOW_GATED || l->now == NOW_RUNNING || l->now == NOW_PAUSED ||
	       l->now == NOW_SAVING || l->now == NOW_MOVING || l->now == NOW_PRESERVED;
}

static inline bool life_is_over(const struct vm_life *l)
{
	return l->now == NOW_ENDED || l->now == NOW_ABANDONED;
}

#endif
