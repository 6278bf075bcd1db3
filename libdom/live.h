/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies PVH guests while they run: pages that the guest writes meanwhile are copied again, in
 * rounds, and the rest when it is stopped. */
#ifndef CHAOS_LIBDOM_LIVE_H
#define CHAOS_LIBDOM_LIVE_H

#include "libdom/save.h"

/* Threads, errors and the stream are as in save.h; the stream is never in a file. */

struct live; /* a stream that is being written */

struct live_round {
	uint32_t number; /* from 1 on */
	uint64_t pages;	 /* sent in this round, including zero pages */
	uint64_t left;	 /* written by the guest since then, at the last live_look() */
	uint64_t bytes;	 /* of the stream so far */
	uint64_t ns;	 /* duration of the round */
};

/* The rounds end after this number of rounds, or with this few pages left. */
#define LIVE_ROUNDS 5u
#define LIVE_FEW    50u

/* Writes the part before the rounds. From now on, also on failure, Xen records the frames that
 * the domain writes, until xen_dirty_stop() is called. *from must not change until live_free(),
 * except its two mapped pages, which may be others in each call. *st has the numbers of the
 * rounds, and must exist as long. -EOPNOTSUPP: PV, or a guest that cannot be saved. */
int live_begin(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct live **out,
	       struct err *e);
/* Writes a round; the first one has all pages that the guest has used. */
int live_round(struct xen *x, struct live *l, struct live_round *r, struct err *e);
/* Call it when the round has arrived: sets r->left. 1: another round would not help. */
int live_look(struct xen *x, struct live *l, struct live_round *r, struct err *e);
/* When the domain is stopped, as for save_write(): writes the rest, and the end. *st has the
 * numbers of the whole stream. */
int live_end(struct xen *x, struct live *l, struct save_stats *st, struct err *e);
/* Unmaps some of the mapped pages; false: none is mapped. */
bool live_unmap(struct xen *x, struct live *l);
void live_free(struct live *l); /* NULL is allowed; all pages must be unmapped before */

/*
 * --- reading ---
 *
 * save_open_moving() accepts such a stream, and others. If it has rounds, call save_restore()
 * after live_read() has returned 0.
 */
int save_open_moving(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e);
/* Whether the stream has rounds. */
bool live_is(const struct save_stream *s);
/* Reads a round into a shell. 1: the round has ended, *round is its number, and another may
 * follow; 0: the last part follows; or -errno. */
int live_read(struct xen *x, struct save_stream *s, struct dom *d, uint32_t *round, struct err *e);
/* Like live_unmap(), for pages of the shell. */
bool live_read_unmap(struct xen *x, struct save_stream *s);

#endif
