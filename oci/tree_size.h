/* SPDX-License-Identifier: BSD-3-Clause */
/* How large a folder is, without reading its files. */
#ifndef CHAOS_OCI_TREE_SIZE_H
#define CHAOS_OCI_TREE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct tree_size {
	uint64_t bytes_max;   /* more than this ends the walk: -EFBIG, without a message */
	uint64_t entries_max; /* likewise */
	bool plain;	      /* so does what a copy without extended attributes would not have */
	void *hash;	      /* NULL, or an XXH3 state: all that tells of a change goes into it */
	uint64_t bytes, entries; /* results */
};

/* Walks over what is in the folder `dir`, which stays open. Links are not followed. */
int tree_size(struct tree_size *t, int dir, struct err *e);

#endif
