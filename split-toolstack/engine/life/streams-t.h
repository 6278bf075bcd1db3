/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores under way, as a type that the engine embeds. */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_T_H
#define CHAOS_ENGINE_LIFE_STREAMS_T_H

#include <stdint.h>

struct vm_restore;

struct streams {
	struct vm_restore *restores; /* utlist head */
	uint32_t n;		     /* saves and restores */
	uint64_t last;		     /* id that was given */
};

#endif
