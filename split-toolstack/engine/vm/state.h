/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's life: where it is, what can happen to it, and what that means to others. */
#ifndef CHAOS_VM_STATE_H
#define CHAOS_VM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/vm/state-t.h"

/* What can happen to a VM. */
enum life_event {
	LIFE_PLACED, /* rc 0: its files are open and its image is known; else it cannot be built */
	LIFE_BUILT,  /* rc 0: its domain is; else why not */
	LIFE_CONNECTED, /* a device is connected, or never will be */
	LIFE_FREED,	/* the devices of its last domain are gone */
	LIFE_TIMER,   /* its time is over: of the delay, of what it waits for, to be tried again */
	LIFE_ENDED,   /* its domain was seen shut down, or is gone */
	LIFE_UNHEARD, /* taken over, but its event channel cannot be bound now */
	LIFE_RUN,     /* clients ask for these */
	LIFE_PAUSE,
	LIFE_DESTROY,
	LIFE_SAVE,
	LIFE_WRITTEN, /* rc 0: it is; else why not */
	LIFE_TAKEN,   /* rc 0: the client has what was written; else it does not want it any more */
	LIFE_MOVE,    /* what was written may run on another host from now on */
	LIFE_WAKE,    /* clients ask for it, or what it was left asleep for has come */
	LIFE_EVENTS,
};

struct life_news {
	int rc;	       /* LIFE_PLACED, LIFE_BUILT, LIFE_WRITTEN, LIFE_TAKEN */
	struct err *e; /* why rc, or why LIFE_UNHEARD; what clients ask for: to be set */
	const struct xen_domain_info *info; /* LIFE_ENDED; NULL: Xen has no such domain */
	struct vm_save *save;		    /* LIFE_SAVE: not begun yet */
	struct vm_restore *restore;	    /* LIFE_WAKE: likewise */
};

/* What an event does in a state, and the states in which it may leave the VM when it returns. */
struct life_cell {
	int (*fn)(struct vm *vm, const struct life_news *n); /* NULL: it cannot be */
	uint32_t to;					     /* bits of enum vm_now, and: */
};
#define LIFE_FREE (1u << NOW_COUNT) /* nothing of it is left, and it is freed */

/* table.c; the engine has a pointer to it, so that what raises events need not know what follows.
 */
extern const struct life_cell life_table[NOW_COUNT][LIFE_EVENTS];

/* An event that the table does not have (life_event() in vms.h) is logged: -EINVAL. */
int life_impossible(const struct vm *vm, enum life_event ev);
/* LIFE_TIMER comes after so long, in place of what was set before. */
void life_timer(struct vm *vm, double seconds);
void life_timer_stop(struct vm *vm);

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

/* LIFE_ENDED: a domain of ours was seen shut down, or gone (NULL). */
void vm_has_ended(struct vm *vm, const struct xen_domain_info *info);

#endif
