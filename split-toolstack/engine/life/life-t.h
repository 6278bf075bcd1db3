/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a VM that life/ has: what is being done with it. struct vm embeds it; vm_life()
 * returns it. */
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

/* A create, or the build of a VM that is restarted. */
struct vm_create {
	uint32_t flags;	  /* VM_CREATE_* */
	vm_create_fn *fn; /* called once; NULL: it was called, or there is none */
	void *arg;
	uint64_t start_ns;
	uint32_t slot_tries; /* domain ids that belonged to other domains */
	uint64_t arrival;    /* NOW_ARRIVING: its stream */
};

struct life {
	/* --- it is being made --- */
	struct vm_create create;
	struct vm_timings t;		    /* of the create */
	struct teardown_wait teardown_wait; /* for resources that other VMs have */
	struct image *img;
	struct vm_restore *restore; /* restore.c: from a file */
	const char *copy_of; /* claim_shell.c: the snapshot of a copy that is taken from the pool */
	ev_tstamp connect_until; /* NOW_CONNECTING: then the create fails */
	/* --- it runs --- */
	uint64_t unpaused;
	uint32_t seen;	      /* number of the last scan that found its domain */
	uint32_t set_back;    /* number of rollbacks by this daemon */
	struct vm_save *save; /* save.c: NOW_SAVING */
	struct fork *forking; /* fork.c: its guest has requested children */
	/* --- sleepers.h --- */
	bool has_file; /* it has a file; the file is valid while the VM sleeps */
	bool unread;   /* its file cannot be read: only its uuid is known, and it has no record */
	bool syncing;  /* the deletion of its file is not synced: it must not run */
};

#endif
