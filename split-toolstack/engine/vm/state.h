/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's life: where it is, what can happen to it, and what that means to others. */
#ifndef CHAOS_VM_STATE_H
#define CHAOS_VM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/registry/record-t.h"

enum vm_now {
	NOW_NEW,	/* its create waits: for devices of others, its files, its image */
	NOW_WAITING,	/* likewise to be built again, or for its own old devices, or the delay */
	NOW_BUILDING,	/* threads may be at work on it */
	NOW_CONNECTING, /* built; its create waits for the backends of its devices */
	NOW_GATED,	/* its create has succeeded; the guest waits for backends */
	NOW_RUNNING,
	NOW_PAUSED,    /* by us */
	NOW_SAVING,    /* it stands still while threads write it, and until its client has that */
	NOW_MOVING,    /* it stands still until it is known whether another host has it */
	NOW_ARRIVING,  /* of another host, filled: it runs or goes as its client says */
	NOW_PRESERVED, /* shut down, its domain is kept */
	NOW_ABANDONED, /* in the history, but threads are still at work on it */
	NOW_ENDED,     /* in the history, without a domain */
	NOW_UNKNOWN,   /* the last daemon's, not taken over yet */
	NOW_ASLEEP,    /* in a file of ours, without a domain */
	NOW_WAKING,    /* likewise, and threads fill a domain out of it */
	NOW_COUNT,
};

/* What a VM in NOW_NEW or NOW_WAITING waits for. */
enum vm_wait {
	WAIT_OTHERS, /* devices that others have, then its files */
	WAIT_IMAGE,  /* threads read it, and call back */
	WAIT_OWN,    /* devices of its last domain */
	WAIT_DELAY,
};

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

/* -ENOMEM; vms_close() follows. */
int vms_open(struct engine *en, const struct life_cell (*table)[LIFE_EVENTS], struct err *e);
/* Of the table of life, in the VM's state. */
const struct life_cell *life_cell(const struct vm *vm, enum life_event ev);
/* An event that the table does not have is logged: -EINVAL. */
int life_impossible(const struct vm *vm, enum life_event ev);

/* Does what the table says; the VM may be freed afterwards. */
static inline int life_event(struct vm *vm, enum life_event ev, const struct life_news *n)
{
	const struct life_cell *c = life_cell(vm, ev);

	return c->fn ? c->fn(vm, n) : life_impossible(vm, ev);
}

/* --- the state it is in --- */
enum vm_now life_now(const struct vm *vm);
void life_go(struct vm *vm, enum vm_now now);
enum vm_want life_want(const struct vm *vm);
void life_set_want(struct vm *vm, enum vm_want want);
/* Both, as a client or an on_* action asked for it. */
void life_go_as(struct vm *vm, enum vm_now now, enum vm_want want);
enum vm_wait life_wait(const struct vm *vm);
void life_wait_for(struct vm *vm, enum vm_wait wait);
/* It was told to be there: a build that fails puts it into the history, and the next daemon builds
 * it. Else nothing of it is left in both cases. */
bool life_is_kept(const struct vm *vm);
void life_keep(struct vm *vm);
/* Threads use its configuration, files and image, and call back when they are done. */
bool life_has_threads(const struct vm *vm);
/* Its domain is one that runs, or has run, and is not to go. */
bool life_has_domain(const struct vm *vm);
bool life_is_over(const struct vm *vm);
/* LIFE_TIMER comes after so long, in place of what was set before. */
void life_timer(struct vm *vm, double seconds);
void life_timer_stop(struct vm *vm);

/* LIFE_ENDED: a domain of ours was seen shut down, or gone (NULL). */
void vm_has_ended(struct vm *vm, const struct xen_domain_info *info);

#endif
