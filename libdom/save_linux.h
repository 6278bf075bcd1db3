/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved Linux guests (SAVE_KIND_LINUX). */
#ifndef CHAOS_LIBDOM_SAVE_LINUX_H
#define CHAOS_LIBDOM_SAVE_LINUX_H

#include "libdom/save_saving.h"

#define SAVE_LINUX_PLACES  4u  /* number of places where it has frames */
#define SAVE_LINUX_SPECIAL 48u /* maximal number of pages outside of RAM */

/* Whether [gfn, gfn + n) is within one place where a guest with so many pages may have frames. */
bool save_linux_has(uint64_t pages, uint64_t gfn, uint64_t n);

/* First frame after RAM. */
uint64_t save_linux_top(uint64_t pages);

/* Fills the fields of the header that only this kind uses. */
int save_linux_header(struct xen *x, const struct save_source *from, struct save_header *h,
		      struct err *e);
/* Fills s->gfn, s->kind, s->n with all frames that have a page. -EOPNOTSUPP: there are frames at
 * other places. */
int save_linux_pages(struct saving *s, struct err *e);

/* Before the pages are filled: sets the memory map, the pages outside of RAM, and the frames of
 * store and console. */
int save_linux_begin(struct xen *x, const struct save_stream *s, struct dom *d, struct err *e);
/* Empties the rings of store and console, two machine frames of the domain, because their other
 * ends start anew. What names them need not be trusted: Xen maps only pages of this domain. */
int save_linux_empty_rings(struct xen *x, uint32_t domid, uint64_t store, uint64_t console,
			   struct err *e);
/* After the pages are filled: empties the rings, sets the HVM parameters and the event channels
 * of d. */
int save_linux_end(struct xen *x, const struct save_stream *s, const struct dom *d, struct err *e);

#endif
