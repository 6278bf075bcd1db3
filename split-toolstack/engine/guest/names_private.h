/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by names.c and names_beside.c. */
#ifndef CHAOS_ENGINE_NAMES_PRIVATE_H
#define CHAOS_ENGINE_NAMES_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "store/store.h"

/* A VM of another toolstack, possibly one that has ended. */
struct other_name {
	UT_hash_handle by_uuid, by_name; /* several VMs can have the same name */
	uint8_t uuid[16];
	char name[];
};

/* What xenstored has of a VM's domain (names_beside.c). */
struct shown_name {
	struct shown_name *prev, *next; /* list of those to be removed */
	uint8_t uuid[16];
	uint32_t domid;
	uint64_t asked; /* number of the last request to the mirror for it */
	bool cpus;	/* changes of its CPUs are followed */
};

struct names {
	struct engine *en;
	struct store_hook hook; /* at "/vm", where there are few changes, unlike in /local/domain */
	struct other_name *uuids, *others; /* uthash heads: by uuid, by name */
	struct guest *untold;	 /* utlist head: VMs whose name must be written to xenstored */
	struct shown_name *gone; /* utlist head: names that must be removed from xenstored */
};

#endif
