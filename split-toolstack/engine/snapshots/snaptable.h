/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots in memory, and what the folder has at the start. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_SNAPTABLE_H
#define CHAOS_ENGINE_SNAPSHOTS_SNAPTABLE_H

#include "split-toolstack/engine/snapshots/snapshots.h"

/* In the order of names. */
struct snapshot_table {
	struct snapshot *first; /* utlist head */
};

/* Also one that is leaving; NULL: there is none. */
struct snapshot *snaptable_find(const struct snapshot_table *t, const char *name);
void snaptable_add(struct snapshot_table *t, struct snapshot *x);  /* which is the table's then */
void snaptable_drop(struct snapshot_table *t, struct snapshot *x); /* and is freed */
/* Another one than this has the content. */
bool snaptable_uses(const struct snapshot_table *t, const char *digest, const struct snapshot *but);
/* Names of up to some others whose parent it is, when no other name keeps that; "": none. */
void snaptable_children(const struct snapshot_table *t, const struct snapshot *x, char *to,
			size_t room);
/* Of all files. */
int64_t snaptable_bytes(const struct snapshot_table *t);
void snaptable_free(struct snapshot_table *t);

/* Of the folder: all names whose files are there; what nothing names goes. -ENOMEM, or the folder
 * cannot be read. */
int snaptable_load(struct snapshot_table *t, int dirfd, struct err *e);

#endif
