/* SPDX-License-Identifier: BSD-3-Clause */
/* The adoption of VMs: state that adopt.c and adopt_vm.c share. */
#ifndef CHAOS_ENGINE_LIFE_ADOPTION_H
#define CHAOS_ENGINE_LIFE_ADOPTION_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct census;
struct engine;
struct half_made;
struct vm;

struct adoption {
	struct engine *en;
	struct census *census;	     /* at the start; NULL: single domains are read from Xen */
	struct half_made *half_made; /* unfinished domains that are not removed yet */
	ev_timer again, listen;
	double wait_s;
	uint32_t heard; /* VMs whose channels were bound while they were adopted */
	bool changed;	/* an unknown VM was adopted or has ended: settle() is needed */
};

/* Xen walks all ports of dom0 to find a free one to bind: with thousands of VMs that takes longer
 * than all else. So many are bound at once, and the others afterwards, a few a turn of the loop. */
#define LISTEN_FIRST 256u

/* --- adopt.c --- */
/* Tries again when the present waiting time is over. */
void adopt_try_later(struct engine *en);

/* --- adopt_vm.c --- */
/* Puts a VM of the registry into the history, removes it, or adopts it by LIFE_TIMER. */
void adopt_recorded(struct vm *vm);
/* Raises LIFE_TIMER for an unknown VM. */
void adopt_try(struct vm *vm);

#endif
