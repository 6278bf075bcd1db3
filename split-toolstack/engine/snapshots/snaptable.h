/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of snapshots in memory, and reading it from the folder at the start. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_SNAPTABLE_H
#define CHAOS_ENGINE_SNAPSHOTS_SNAPTABLE_H

#include "split-toolstack/engine/snapshots/snapshots.h"

#define SNAPTABLE_BUCKETS 4096u

/* In the order of names. A start, and a list, may have thousands: what is done for each of them
 * does not look at all. */
struct snapshot_table {
	struct snapshot *first; /* utlist head */
	struct snapshot *by_digest[SNAPTABLE_BUCKETS];
	struct snapshot_walk *walks; /* utlist head */
	bool damaged; /* a name could not be read: it is not known which file belongs to it, and no
		       * file is removed */
};

/* Also finds one that is being removed; NULL: there is none. */
struct snapshot *snaptable_find(const struct snapshot_table *t, const char *name);
void snaptable_add(struct snapshot_table *t, struct snapshot *x);  /* the table owns it then */
void snaptable_drop(struct snapshot_table *t, struct snapshot *x); /* frees it */
/* The first name of that content, or the first behind `after`; NULL. Also one that is being
 * removed.
 */
struct snapshot *snaptable_digest(const struct snapshot_table *t, const char *digest,
				  const struct snapshot *after);
/* Whether another name has the same content. */
bool snaptable_uses(const struct snapshot_table *t, const char *digest, const struct snapshot *but);
/* Writes the names of some of its children, if no other name has the same content; "": none. */
void snaptable_children(const struct snapshot_table *t, const struct snapshot *x, char *to,
			size_t room);
/* Size of all files together. */
int64_t snaptable_bytes(const struct snapshot_table *t);
void snaptable_free(struct snapshot_table *t);

/* Reads all names whose files exist from the folder, and removes files without a name. A name
 * whose content is wrong is left out. -errno, and nothing is removed: the folder cannot be read, or
 * a name cannot be read now. */
int snaptable_load(struct snapshot_table *t, int dirfd, struct err *e);

#endif
