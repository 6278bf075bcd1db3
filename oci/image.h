/* SPDX-License-Identifier: BSD-3-Clause */
/* Images of containers' roots: files of the file system erofs, made once and kept. */
#ifndef CHAOS_OCI_IMAGE_H
#define CHAOS_OCI_IMAGE_H

#include <stdint.h>

#include "base/err.h"
#include "oci/layers.h"

struct image_cache {
	const char *folder; /* absolute */
	uint64_t mib;	    /* what images may have together; 0: none are made */
};

struct image {
	char *path; /* of its file */
	int fd;	    /* open: the file stays while this or a copy of it is open; -1 */
};

/*
 * The image of the part that `l` names, which is made if there is none. Of several callers one
 * makes it, and the others wait. What is not used is removed, the longest unused first, if there is
 * no room otherwise. Whatever is killed leaves at most a file that the next call removes. -EFBIG,
 * -ENOSPC, and others with the reason: there is none, and nothing is left.
 */
int image_get(const struct image_cache *c, const struct layers *l, const char *rootfs,
	      struct image *out, struct err *e);
void image_free(struct image *i);

/* --- the parts: image.c is the cache, image_room.c its limits, image_make.c runs the program ---
 */

/* Writes the image to `path`, not more than `bytes`. `keep`: an open file that the program has as
 * long as it runs. */
int image_make(const struct layers *l, const char *rootfs, const char *path, int keep,
	       uint64_t bytes, struct err *e);
/* Removes what killed callers have left. */
void image_sweep(int dir);
/* Removes images until there is room for `bytes` more. */
int image_room(int dir, const struct image_cache *c, uint64_t bytes, struct err *e);

#endif
