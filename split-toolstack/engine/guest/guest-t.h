/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's data for a guest. Its VM embeds it; vm_guest() returns it for the files of this
 * room. */
#ifndef CHAOS_GUEST_GUEST_T_H
#define CHAOS_GUEST_GUEST_T_H

#include <stdbool.h>
#include <stdint.h>

#include "noxs/control.h"
#include "split-toolstack/engine/guest/fork-t.h"
#include "split-toolstack/engine/guest/input.h"
#include "split-toolstack/engine/services/ports-t.h"
#include "split-toolstack/engine/vm/parts.h"
#include "store/store.h"

struct shown_name;
struct vm;

/* A console log: one file with a maximal size for each VM, a ring after a header. */
struct console_log {
	int fd;		    /* -1: not made yet; it is made for the first byte */
	uint64_t end;	    /* bytes written so far */
	uint64_t size;	    /* size of the ring */
	uint32_t ring_cons; /* index of the guest's ring up to which the log has it */
	bool failed;	    /* it could not be written; logged once */
};

/* The store of a guest without a device page. */
struct guest_store {
	struct store_ring ring;
	uint32_t port; /* ours */
	struct port_user user;
	bool woken;
};

/* The second console of a Linux guest, for its agent. It has no log; without a reader, output
 * stays in the ring. */
struct channel {
	bool open;
	struct store_hook hook;	     /* for the state of its frontend */
	struct noxs_control_end con; /* page NULL: the frontend is not connected */
	void *page;		     /* granted by the guest */
	uint32_t port;
	struct port_user user;
	uint32_t epoch; /* number of connections so far */
	uint32_t lines; /* number of log lines about its faults */
	struct input_queue input;
};

struct guest {
	struct vm *vm;
	struct noxs_control_end con; /* its control page; page NULL: not mapped */
	uint32_t port;		     /* our port of the control channel */
	struct port_user control;    /* ... its user */
	struct port_credit credit;   /* for all its channels together */
	struct console_log log;
	struct input_queue input;
	bool still;	    /* it is being saved */
	bool suspend_asked; /* NOXS_REQ_SUSPEND was sent and not obeyed yet */
	struct guest *unheard_next, *unheard_prev; /* list of VMs whose channel is not bound yet */
	struct guest_store store;
	struct channel channel;
	struct guest *store_next, *store_prev; /* list of VMs whose store ring has work */
	struct guest *untold_next,
		*untold_prev; /* list of VMs whose name must be written to xenstored */
	struct fork_end fork;
	struct shown_name *shown; /* what xenstored has of it */
};

#endif
