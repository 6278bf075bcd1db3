/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores under way: engine_streams(). */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_T_H
#define CHAOS_ENGINE_LIFE_STREAMS_T_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "libdom/save.h"

struct branch;
struct kept;
struct pack;
struct removal;
struct stream_wait;
struct vm_restore;
struct vm_save;

struct streams {
	bool closing;		     /* threads do not take their time any more */
	struct vm_save *parted;	     /* utlist head: saves of VMs that go on already */
	struct vm_restore *restores; /* utlist head */
	struct branch *branches;     /* likewise */
	struct removal *arriving;    /* restore_copy.c: disks of VMs that arrive */
	struct pack *packs;	     /* likewise: pack.c */
	struct kept *kept;	     /* likewise: kept.c */
	uint32_t nkept;
	struct stream_wait *waiting; /* utlist head */
	ev_timer orphans;	     /* fork.c */
	uint32_t n;		     /* saves, restores and branches */
	uint64_t last;		     /* id that was given */
	struct save_budget memory;   /* of all states of VMs that are in memory */
};

#endif
