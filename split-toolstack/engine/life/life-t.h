/* SPDX-License-Identifier: BSD-3-Clause */
/* What is under way in a VM's life: the part of it that this room has. Its VM embeds it, and
 * vm_life() gives it. */
#ifndef CHAOS_ENGINE_LIFE_LIFE_T_H
#define CHAOS_ENGINE_LIFE_LIFE_T_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "split-toolstack/engine/devices/teardown_wait-t.h"
#include "split-toolstack/engine/engine.h"

struct fork;
struct image;
struct vm_restore;
struct vm_save;

/* A create, or the building once more of a VM that is restarted. */
struct vm_create {
	uint32_t flags;	  /* VM_CREATE_* */
	vm_create_fn *fn; /* is called once; NULL: was, or nothing waits for it */
	void *arg;
	uint64_t start_ns;
	uint32_t slot_tries; /* domain ids that were others' */
	uint64_t arrival;    /* NOW_ARRIVING: the stream that it came by */
};

struct life {
	/* --- it is being made --- */
	struct vm_create create;
	struct vm_timings t;		    /* of it */
	struct teardown_wait teardown_wait; /* for what others have */
	struct image *img;
	struct vm_restore *restore; /* restore.c: from a file */
	const char *copy_of;	    /* claim_shell.c: a snapshot; it is taken out of the pool */
	ev_tstamp connect_until;    /* NOW_CONNECTING: then the create fails */
	/* --- it runs --- */
	uint64_t unpaused;
	uint32_t seen;	      /* the scan that saw its domain last */
	uint32_t set_back;    /* by rollbacks of this daemon: so often */
	struct vm_save *save; /* save.c: NOW_SAVING */
	struct fork *forking; /* fork.c: its guest wants children, or has wanted some */
	/* --- sleepers.h --- */
	bool has_file; /* it counts while the VM sleeps */
	bool syncing;  /* its file is not gone for certain: it must not run */
};

#endif
