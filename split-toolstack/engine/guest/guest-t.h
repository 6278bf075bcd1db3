/* SPDX-License-Identifier: BSD-3-Clause */
/* What one guest has of the daemon: what its VM embeds. */
#ifndef CHAOS_GUEST_GUEST_T_H
#define CHAOS_GUEST_GUEST_T_H

#include <stdbool.h>
#include <stdint.h>

#include "noxs/control.h"
#include "split-toolstack/engine/services/ports-t.h"
#include "store/store.h"

struct shown_name;

/* Its console log: one bounded file a VM, a ring behind a header. */
struct console_log {
	int fd;		    /* -1: not made yet; it comes with the first byte */
	uint64_t end;	    /* bytes ever written */
	uint64_t size;	    /* of the ring */
	uint32_t ring_cons; /* the guest's ring up to where the log has it */
	bool failed;	    /* could not be written: said once */
};

/* Its end of the store, when it has no device page. */
struct vm_view {
	struct store_ring ring;
	uint32_t port;	     /* ours */
	uint32_t guest_port; /* 0: it has no store */
	struct port_user user;
	bool woken;
};

#endif
