/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of the store of images: names in memory, and what a restart finds on the disk. */
#ifndef CHAOS_ENGINE_IMAGEINDEX_H
#define CHAOS_ENGINE_IMAGEINDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct imageindex;

/* The value of a name. */
struct image_record {
	uint32_t version;
	uint32_t pv, pvh, noxs, linux_kernel;
	char digest[65];
	char guest_os[32];
	uint64_t bytes, min_kib, imported_ns;
};

/* Opens the database in the folder `dir` and reads it. */
int imageindex_open(const char *dir, struct imageindex **out, struct err *e);
void imageindex_close(struct imageindex *x); /* NULL is fine */

/* --- in memory, on the loop --- */

uint32_t imageindex_count(const struct imageindex *x);
/* In the order of names. */
const struct image_record *imageindex_at(const struct imageindex *x, uint32_t i, const char **name);
/* NULL: no such name. Until the next change. */
const struct image_record *imageindex_find(const struct imageindex *x, const char *name);
/* Another name than this one has the content. */
bool imageindex_uses(const struct imageindex *x, const char *digest, const char *but);
/* So many more names will have room. -ENOMEM. */
int imageindex_reserve(struct imageindex *x, uint32_t more, struct err *e);
/* NULL: the name goes. There must be room for a new one. */
void imageindex_set(struct imageindex *x, const char *name, const struct image_record *r);

/* --- on the disk --- */

/* The same for the next daemon: returns when it is on the disk. On any thread, one call at a time.
 */
int imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
		      struct err *e);

#endif
