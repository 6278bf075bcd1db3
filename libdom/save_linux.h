/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved PVH guests that are not ours: the parts of SAVE_KIND_LINUX. */
#ifndef CHAOS_LIBDOM_SAVE_LINUX_H
#define CHAOS_LIBDOM_SAVE_LINUX_H

#include "libdom/save_saving.h"

#define SAVE_LINUX_PLACES  4u  /* of its frames */
#define SAVE_LINUX_SPECIAL 48u /* that are no RAM, at the most */

/* Whether [gfn, gfn + n) is in one place where a guest of so many pages may have frames. */
bool save_linux_has(uint64_t pages, uint64_t gfn, uint64_t n);

/* Where RAM ends. */
uint64_t save_linux_top(uint64_t pages);

/* What the header has for this kind alone. */
int save_linux_header(struct xen *x, const struct save_source *from, struct save_header *h,
		      struct err *e);
/* s->gfn, s->kind, s->n: all frames with a page of its own. -EOPNOTSUPP: it has others. */
int save_linux_pages(struct saving *s, struct err *e);

/* Before the pages: memory map, pages outside of RAM, where store and console are. */
int save_linux_begin(struct xen *x, const struct save_stream *s, struct dom *d, struct err *e);
/* Behind them: empty rings, parameters, the channels of d. */
int save_linux_end(struct xen *x, const struct save_stream *s, const struct dom *d, struct err *e);

#endif
