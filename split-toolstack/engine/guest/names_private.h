/* SPDX-License-Identifier: BSD-3-Clause */
/* What names.c and names_beside.c share. */
#ifndef CHAOS_ENGINE_NAMES_PRIVATE_H
#define CHAOS_ENGINE_NAMES_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "store/store.h"

/* A VM of another toolstack, or what is left of one. */
struct other_name {
	UT_hash_handle by_uuid, by_name; /* a name can be there more than once */
	uint8_t uuid[16];
	char name[];
};

/* What xenstored was told of a VM's domain (names_beside.c). */
struct shown_name {
	struct shown_name *prev, *next; /* of those that go */
	uint8_t uuid[16];
	uint32_t domid;
	uint64_t asked; /* the mirror's number of the last request for it */
	bool cpus;	/* the domain's CPUs are followed */
};

struct names {
	struct engine *en;
	struct store_hook hook;		   /* at "/vm": changes there are few, unlike in
					      /local/domain */
	struct other_name *uuids, *others; /* uthash heads: by uuid, by name */
	struct guest *untold;		   /* utlist head: xenstored has not what they are called */
	struct shown_name *gone;	   /* utlist head: xenstored has them still */
};

#endif
