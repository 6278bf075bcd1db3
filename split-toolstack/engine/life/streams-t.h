/* SPDX-License-Identifier: BSD-3-Clause */
/* Running saves and restores: engine_streams(). */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_T_H
#define CHAOS_ENGINE_LIFE_STREAMS_T_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "libdom/save.h"

struct branch;
struct kept;
struct pack;
struct copies_deletion;
struct stream_wait;
struct vm_restore;
struct vm_save;

struct streams {
	bool closing;			  /* threads do not pause between steps any more */
	struct vm_save *parted;		  /* utlist head: saves of VMs that continue already */
	struct vm_restore *restores;	  /* utlist head */
	struct branch *branches;	  /* utlist head */
	struct copies_deletion *arriving; /* restore_copy.c: disks of arriving VMs */
	struct pack *packs;		  /* pack.c */
	struct kept *kept;		  /* kept.c */
	uint32_t nkept;
	struct stream_wait *waiting; /* utlist head */
	ev_timer orphans;	     /* fork.c */
	uint32_t n;		     /* running saves, restores and branches */
	uint64_t last;		     /* last id */
	struct save_budget memory;   /* for states of VMs in memory */
};

#endif
