/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a VM: its states, the events that can happen to it, and how events reach its state.
 */
#ifndef CHAOS_VM_STATE_H
#define CHAOS_VM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/registry/record-t.h"

enum vm_now {
	NOW_NEW,      /* its create waits for devices of other VMs, its files or its image */
	NOW_WAITING,  /* to be built again: waits for the same, its own old devices or the delay */
	NOW_BUILDING, /* being built, on the loop or by threads */
	NOW_CONNECTING, /* built; its create waits for the backends of its devices */
	NOW_GATED,	/* its create has succeeded; the guest waits for backends */
	NOW_RUNNING,
	NOW_PAUSED,    /* by a client */
	NOW_SAVING,    /* stopped while threads write it, and until the client has the file */
	NOW_MOVING,    /* stopped until it is known whether another host runs it */
	NOW_ARRIVING,  /* received from another host: the client lets it run or removes it */
	NOW_PRESERVED, /* shut down, its domain is kept */
	NOW_ABANDONED, /* in the history, but threads still build it */
	NOW_ENDED,     /* in the history, without a domain */
	NOW_UNKNOWN,   /* found in the records of the last daemon, not adopted yet */
	NOW_ASLEEP,    /* in a file of chaosd, without a domain */
	NOW_WAKING,    /* the same, while threads fill a domain from the file */
	NOW_COUNT,
};

/* What a VM in NOW_NEW or NOW_WAITING waits for. */
enum vm_wait {
	WAIT_OTHERS, /* devices that other VMs have, then its files */
	WAIT_IMAGE,  /* threads read it */
	WAIT_OWN,    /* devices of its last domain */
	WAIT_DELAY,
};

/* What can happen to a VM. */
enum life_event {
	LIFE_PLACED, /* rc 0: its files are open and its image is known; < 0: it cannot be built */
	LIFE_BUILT,  /* rc 0: its domain is built; < 0: the build has failed */
	LIFE_CONNECTED, /* a device is connected, or never will be */
	LIFE_FREED,	/* the devices of its last domain are gone */
	LIFE_TIMER,	/* the timer of the state has expired */
	LIFE_ENDED,	/* its domain has shut down or is gone */
	LIFE_UNHEARD,	/* adopted, but its event channel cannot be bound now */
	LIFE_RUN,	/* requests of clients: */
	LIFE_PAUSE,
	LIFE_DESTROY,
	LIFE_SAVE,
	LIFE_WRITTEN, /* rc 0: the save is written; < 0: it has failed */
	LIFE_TAKEN,   /* rc 0: the client has the file; < 0: the client has gone or failed */
	LIFE_MOVE,    /* the client gives the saved VM to another host */
	LIFE_WAKE,    /* a request of a client, or of chaosd itself */
	LIFE_EVENTS,
};

struct life_news {
	int rc;	       /* LIFE_PLACED, LIFE_BUILT, LIFE_WRITTEN, LIFE_TAKEN */
	struct err *e; /* the reason of rc or LIFE_UNHEARD; for requests: set by the function */
	const struct xen_domain_info *info; /* LIFE_ENDED; NULL: Xen has no such domain */
	struct vm_save *save;		    /* LIFE_SAVE: the save to begin */
	struct vm_restore *restore;	    /* LIFE_WAKE: the restore to begin */
};

/* The function of an event in a state, and the states that the VM may have when it returns. */
struct life_cell {
	int (*fn)(struct vm *vm, const struct life_news *n); /* NULL: impossible */
	uint32_t to;					     /* bits of enum vm_now, and: */
};
#define LIFE_FREE (1u << NOW_COUNT) /* the VM was freed */

/* life/table.c. The engine has a pointer to it, because rooms below life/ raise events. */
extern const struct life_cell life_table[NOW_COUNT][LIFE_EVENTS];

/* -ENOMEM; vms_close() follows. */
int vms_open(struct engine *en, const struct life_cell (*table)[LIFE_EVENTS], struct err *e);
/* The entry for the VM's state. */
const struct life_cell *life_cell(const struct vm *vm, enum life_event ev);
/* Logs an event that has no entry; -EINVAL. */
int life_impossible(const struct vm *vm, enum life_event ev);

/* Calls the function of the event; the VM may be freed afterwards. */
static inline int life_event(struct vm *vm, enum life_event ev, const struct life_news *n)
{
	const struct life_cell *c = life_cell(vm, ev);

	return c->fn ? c->fn(vm, n) : life_impossible(vm, ev);
}

/* --- the state of a VM --- */
enum vm_now life_now(const struct vm *vm);
void life_go(struct vm *vm, enum vm_now now);
enum vm_want life_want(const struct vm *vm);
void life_set_want(struct vm *vm, enum vm_want want);
/* Sets the state and the desired state, for a request or an on_* action. */
void life_go_as(struct vm *vm, enum vm_now now, enum vm_want want);
enum vm_wait life_wait(const struct vm *vm);
void life_wait_for(struct vm *vm, enum vm_wait wait);
/* The VM is kept if its build fails: it is then in the history, and if the daemon ends, the next
 * one builds it. Otherwise nothing of it is left in both cases. */
bool life_is_kept(const struct vm *vm);
void life_keep(struct vm *vm);
/* Threads use its configuration, files and image. */
bool life_has_threads(const struct vm *vm);
/* It has a domain that runs or has run, and is not being destroyed. */
bool life_has_domain(const struct vm *vm);
bool life_is_over(const struct vm *vm);
/* Sets the timer, whose expiry is LIFE_TIMER. */
void life_timer(struct vm *vm, double seconds);
void life_timer_stop(struct vm *vm);

/* Raises LIFE_ENDED: the VM's domain has shut down, or is gone (NULL). */
void vm_has_ended(struct vm *vm, const struct xen_domain_info *info);

#endif
