/* SPDX-License-Identifier: BSD-3-Clause */
/* PVH guests that are copied while they run: what they write meanwhile is copied again, in rounds,
 * and the rest when they stand still. */
#ifndef CHAOS_LIBDOM_LIVE_H
#define CHAOS_LIBDOM_LIVE_H

#include "libdom/save.h"

/* Threads, errors and the stream as in save.h; the stream is never one of a file. */

struct live; /* one that is being written */

struct live_round {
	uint32_t number; /* from 1 on */
	uint64_t pages;	 /* that were sent in it, those that are zero included */
	uint64_t left;	 /* written by the guest since then, when that was last looked at */
	uint64_t bytes;	 /* of the stream so far */
	uint64_t ns;	 /* that it took */
};

/* What is given up after these: rounds, and pages that are few enough. */
#define LIVE_ROUNDS 5u
#define LIVE_FEW    50u

/*
 * Writes what stands before the rounds. From now on, also when this fails, until xen_dirty_stop(),
 * Xen notes what the domain writes. `from` stays as it is until live_free(), but for its two mapped
 * pages, which are those of each call; *st is of the rounds, and stays as long. -EOPNOTSUPP: PV, or
 * a guest that cannot be saved.
 */
int live_begin(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct live **out,
	       struct err *e);
/* Writes what is due: at first all pages that the guest has used. */
int live_round(struct xen *x, struct live *l, struct live_round *r, struct err *e);
/* To be called when what was sent has arrived: r->left. 1: another round is not worth while. */
int live_look(struct xen *x, struct live *l, struct live_round *r, struct err *e);
/* It stands still, as for save_write(): writes the rest, and the end. *st: of all of it. */
int live_end(struct xen *x, struct live *l, struct save_stats *st, struct err *e);
/* Unmaps a little of what is mapped; false: nothing is. */
bool live_unmap(struct xen *x, struct live *l);
void live_free(struct live *l); /* NULL is fine; nothing is mapped any more */

/* --- reading ---
 *
 * save_open_moving() takes such a stream, and others, too. Of one with rounds save_restore() is to
 * be called when live_read() has returned 0. */
int save_open_moving(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e);
/* It has rounds. */
bool live_is(const struct save_stream *s);
/* Fills a shell with a round. 1: it is over, *round is its number, and there may be another one; 0:
 * the last part follows; -errno. */
int live_read(struct xen *x, struct save_stream *s, struct dom *d, uint32_t *round, struct err *e);
/* As live_unmap(): pages of the shell stay mapped until then. */
bool live_read_unmap(struct xen *x, struct save_stream *s);

#endif
