/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of the image store: names in memory, and in a database for the next daemon. */
#ifndef CHAOS_ENGINE_IMAGEINDEX_H
#define CHAOS_ENGINE_IMAGEINDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct imageindex;

/* What the index has for a name. */
struct image_record {
	uint32_t version;
	uint32_t pv, pvh, noxs, linux_kernel;
	char digest[65];
	char guest_os[32];
	uint64_t bytes, min_kib, imported_ns;
};

/* Opens the database in the folder `dir` and reads it. */
int imageindex_open(const char *dir, struct imageindex **out, struct err *e);
void imageindex_close(struct imageindex *x); /* NULL is allowed */

/* --- in memory, on the loop --- */

uint32_t imageindex_count(const struct imageindex *x);
/* The nth record, in the order of names. */
const struct image_record *imageindex_at(const struct imageindex *x, uint32_t i, const char **name);
/* The number of the first record behind this name. */
uint32_t imageindex_after(const struct imageindex *x, const char *name);
/* NULL: there is no such name. Valid until the next change. */
const struct image_record *imageindex_find(const struct imageindex *x, const char *name);
/* Whether another name has the same content. */
bool imageindex_uses(const struct imageindex *x, const char *digest, const char *but);
/* Reserves memory for that many more names. -ENOMEM. */
int imageindex_reserve(struct imageindex *x, uint32_t more, struct err *e);
/* Sets a record, for which memory must be reserved if the name is new; NULL: removes the name. */
void imageindex_set(struct imageindex *x, const char *name, const struct image_record *r);

/* --- on the disk --- */

/* Makes the same change in the database; returns when it is on the disk. On any thread, one call
 * at a time. */
int imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
		      struct err *e);

#endif
