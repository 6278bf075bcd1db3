/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a domain that stay mapped while a stream is written or read, and are unmapped later. */
#ifndef CHAOS_LIBDOM_LIVE_MAPS_H
#define CHAOS_LIBDOM_LIVE_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/xen.h"

/* Number of pages that are mapped and unmapped together. Unmapping takes longer than mapping,
 * and uses a CPU without interruption. */
#define LIVE_PIECE 256u
/* Maximal number of mapped pieces: 1 GiB. */
#define LIVE_KEPT 1024u

struct live_piece {
	uint8_t *at; /* NULL: not mapped */
	uint32_t pages;
	uint32_t used; /* number of the last batch that used it */
};

/* Zeroed before use, except domid and writable. */
struct live_maps {
	uint32_t domid;
	bool writable;
	struct live_piece *piece; /* allocated by live_maps_open() */
	uint64_t pieces;
	uint32_t kept;
	uint64_t next; /* the next piece to be unmapped when there are too many */
	uint32_t batch;
};

int live_maps_open(struct live_maps *m, uint64_t pages, struct err *e);
/* Begins a batch: pieces of earlier batches may be unmapped from now on. */
static inline void live_maps_batch(struct live_maps *m)
{
	m->batch++;
}
/* Maps piece `i`; `frame` has its frames. */
int live_map(struct xen *x, struct live_maps *m, uint64_t i, uint32_t pages, const xen_pfn_t *frame,
	     uint8_t **out, struct err *e);
/* Unmaps one piece; false: none was mapped. */
bool live_unmap_one(struct xen *x, struct live_maps *m);
void live_maps_free(struct live_maps *m); /* all pieces must be unmapped before */
/* Allocates and opens one; NULL: out of memory. */
struct live_maps *live_maps_new(uint32_t domid, bool writable, uint64_t pages);

#endif
