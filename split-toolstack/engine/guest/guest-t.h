/* SPDX-License-Identifier: BSD-3-Clause */
/* What one guest has of the daemon: its VM embeds it, and vm_guest() gives it to the files of this
 * room. */
#ifndef CHAOS_GUEST_GUEST_T_H
#define CHAOS_GUEST_GUEST_T_H

#include <stdbool.h>
#include <stdint.h>

#include "noxs/control.h"
#include "split-toolstack/engine/guest/fork-t.h"
#include "split-toolstack/engine/services/ports-t.h"
#include "split-toolstack/engine/vm/parts.h"
#include "store/store.h"

struct shown_name;
struct vm;

/* Its console log: one bounded file a VM, a ring behind a header. */
struct console_log {
	int fd;		    /* -1: not made yet; it comes with the first byte */
	uint64_t end;	    /* bytes ever written */
	uint64_t size;	    /* of the ring */
	uint32_t ring_cons; /* the guest's ring up to where the log has it */
	bool failed;	    /* could not be written: said once */
};

/* Its end of the store, when it has no device page. */
struct guest_store {
	struct store_ring ring;
	uint32_t port; /* ours */
	struct port_user user;
	bool woken;
};

/* The second console of a Linux guest, for its agent: no log, what has no reader stays in the ring.
 */
struct channel {
	bool open;
	struct store_hook hook;	     /* of its frontend's state */
	struct noxs_control_end con; /* page NULL: the frontend is not connected */
	void *page;		     /* granted by the guest */
	uint32_t port;
	struct port_user user;
	uint32_t epoch; /* how often it was connected */
	uint32_t lines; /* of the log about its faults */
	uint8_t *input; /* waits for room in the ring */
	uint32_t input_len;
};

struct guest {
	struct vm *vm;
	struct noxs_control_end con; /* its control page; page NULL: it is not mapped */
	uint32_t port;		     /* ours, of the control channel */
	struct port_user control;    /* ... listened to */
	struct port_credit credit;   /* of all its channels */
	struct console_log log;
	uint8_t *input; /* waits for room in the ring */
	uint32_t input_len;
	bool still;	    /* it is being saved */
	bool suspend_asked; /* ... or was: NOXS_REQ_SUSPEND is not obeyed yet */
	struct guest *unheard_next, *unheard_prev; /* its channel is not bound yet */
	struct guest_store store;
	struct channel channel;
	struct guest *store_next, *store_prev;	 /* its store ring has something to move */
	struct guest *untold_next, *untold_prev; /* xenstored has not what it is called */
	struct fork_end fork;
	struct shown_name *shown; /* what xenstored has of it */
};

#endif
