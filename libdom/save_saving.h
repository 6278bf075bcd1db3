/* SPDX-License-Identifier: BSD-3-Clause */
/* A save under way: what save_write.c and save_pages.c share. */
#ifndef CHAOS_LIBDOM_SAVE_SAVING_H
#define CHAOS_LIBDOM_SAVE_SAVING_H

#include "libdom/save_stream.h"

#define SAVING_LEFT_OUT 0u /* it was looked at, and is in no run */

/* Of a live stream: its beginning, and what is left of it when the domain stands still. */
enum saving_part { SAVING_ALL, SAVING_FIRST, SAVING_LAST };

struct saving {
	enum saving_part part;
	/* SAVING_LAST: pages of the first part, of which those are due whose bit is set */
	const struct saving *first_part;
	const uint64_t *due;
	struct xen *x;
	const struct save_source *from;
	struct transfer *to; /* NULL: nothing is written, nor cancelled */
	struct save_stats *st;
	uint64_t cpu_ns; /* that it had used as the save began */
	struct save_header h;
	struct layout l;
	struct save_cpus cpus;
	struct save_pv pv;
	uint32_t feature[SAVE_FEATURES_MAX];
	/* Pages that may be in the stream, ascending: guest frames, and what they are. */
	uint64_t *gfn;
	uint8_t *kind; /* enum save_run_kind, or SAVING_LEFT_OUT */
	uint64_t n;
	/* So many of them, from `first` on, are mapped. */
	uint8_t *map;
	uint64_t first;
	uint32_t mapped;
	struct live_maps *maps; /* `map` is one of its pieces; NULL: it is all */
	struct save_run *run;
	uint8_t *tables; /* those pages of PV in the form of the stream, in their order */
	uint32_t ntables;
	struct save_hash *hash;
};

/* libdom/save_write.c: a new one, zeroed but for these and *st. NULL: no memory. */
struct saving *saving_new(struct xen *x, const struct save_source *from, struct transfer *to,
			  struct save_stats *st, struct err *e);
/* Looks at the domain as s->part needs it, fills header and lists of pages and vCPUs. */
int saving_look(struct saving *s, uint32_t owner_bytes, struct err *e);
/* Writes header and sections; pages; checksum and end. */
int saving_put_head(struct saving *s, const void *owner, struct err *e);
int saving_put_pages(struct saving *s, struct err *e);
int saving_put_end(struct saving *s, struct err *e);
int saving_put(struct saving *s, struct iovec *iov, uint32_t n, struct err *e);
/* libdom/save_pages.c: the pages of SAVING_LAST */
int saving_choose_due(struct saving *s, struct err *e);
bool saving_is_zero(const uint8_t *page);

/* libdom/save_write.c: all but the pages, `to` may be NULL: looks at the domain, and fills all of
 * *out but hash, which is to be ended also when this fails. */
int saving_begin(struct xen *x, const struct save_source *from, uint32_t owner_bytes,
		 struct transfer *to, struct save_stats *st, struct saving **out, struct err *e);
/* The sections behind the header, malloced; NULL: no memory. */
uint8_t *saving_sections(const struct saving *s, const void *owner);
/* It does not run; *cpu_ns: so long it ran. */
int saving_stands_still(struct xen *x, const struct save_source *from, uint64_t *cpu_ns,
			struct err *e);
/* Behind the last look at a page: -EBUSY when it ran meanwhile. */
int saving_stood_still(const struct saving *s, struct err *e);
void saving_end(struct saving *s); /* NULL is fine */

/* In this order; each -errno with one line. All pages that may be in the stream: */
int saving_choose_pages(struct saving *s, struct err *e);
/* PV, with the frames of the source noted: true: they are so still, and tables and vCPU states are
 * as saving_pv_pages() would make them; else nothing has changed. */
bool saving_pv_kept(struct saving *s);
/* PV: tables and vCPU states into the form of the stream, or tables out of it; */
int saving_pv_pages(struct saving *s, struct err *e);
/* those that are zero out of it; */
int saving_find_zeroes(struct saving *s, struct err *e);
/* s->run. */
int saving_make_runs(struct saving *s, struct err *e);

/* Maps page `index` of s->gfn[], and many behind it. -ECANCELED, too. */
int saving_look_at(struct saving *s, uint64_t index, struct err *e);
static inline const uint8_t *saving_page_at(const struct saving *s, uint64_t index)
{
	return s->map + (index - s->first) * PAGE_BYTES;
}

#endif
