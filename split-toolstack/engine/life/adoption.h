/* SPDX-License-Identifier: BSD-3-Clause */
/* What adopt.c and adopt_vm.c know in common. */
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
	struct census *census;	     /* at the start; NULL: Xen is asked for one domain at a time */
	struct half_made *half_made; /* what is not cleaned up yet */
	ev_timer again, listen;
	double wait_s;
	uint32_t heard; /* VMs whose channels were bound while they were adopted */
	bool changed;	/* an unknown VM is known, or gone: its devices may belong to no VM */
};

/* Xen walks all ports of dom0 to find a free one to bind: with thousands of VMs that takes longer
 * than all else. So many are bound at once, and the others afterwards, a few a turn of the loop. */
#define LISTEN_FIRST 256u

/* --- adopt.c --- */
/* Another try, when the present time to wait is over. */
void adopt_try_later(struct engine *en);

/* --- adopt_vm.c --- */
/* A VM of the registry, of the state of its record: into the history, removed, or LIFE_TIMER, which
 * adopts it. */
void adopt_recorded(struct vm *vm);
/* An unknown one: LIFE_TIMER. */
void adopt_try(struct vm *vm);

#endif
