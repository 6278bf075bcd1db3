/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a domain that stay mapped while a stream is written or read, and for a while after that.
 */
#ifndef CHAOS_LIBDOM_LIVE_MAPS_H
#define CHAOS_LIBDOM_LIVE_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/xen.h"

/* Mapped together: to unmap a page takes longer than to map it, and holds a CPU for so many. */
#define LIVE_PIECE 256u
/* Pieces that stay mapped, at the most: 1 GiB. */
#define LIVE_KEPT 1024u

struct live_piece {
	uint8_t *at; /* NULL: not mapped */
	uint32_t pages;
	uint32_t used; /* in this batch */
};

/* Zeroed, domid and writable as they are to be. */
struct live_maps {
	uint32_t domid;
	bool writable;
	struct live_piece *piece; /* malloced by live_maps_open() */
	uint64_t pieces;
	uint32_t kept;
	uint64_t next; /* the first one to be unmapped when there are too many */
	uint32_t batch;
};

int live_maps_open(struct live_maps *m, uint64_t pages, struct err *e);
/* What was mapped in earlier batches may go from now on. */
static inline void live_maps_batch(struct live_maps *m)
{
	m->batch++;
}
/* Piece `i`: its pages, `frame` has their frames. */
int live_map(struct xen *x, struct live_maps *m, uint64_t i, uint32_t pages, const xen_pfn_t *frame,
	     uint8_t **out, struct err *e);
/* Unmaps one piece; false: there was none. */
bool live_unmap_one(struct xen *x, struct live_maps *m);
void live_maps_free(struct live_maps *m); /* nothing of it is mapped any more */
/* One on the heap, opened; NULL: no memory. */
struct live_maps *live_maps_new(uint32_t domid, bool writable, uint64_t pages);

#endif
