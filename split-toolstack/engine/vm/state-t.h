/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a VM is in its life, as types: struct vm embeds it. */
#ifndef CHAOS_VM_STATE_T_H
#define CHAOS_VM_STATE_T_H

#include <stdbool.h>

#include <ev.h>

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

#endif
