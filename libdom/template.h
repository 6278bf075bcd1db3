/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a stopped domain in the memory of this process, from which any number of shells
 * can be filled. */
#ifndef CHAOS_LIBDOM_TEMPLATE_H
#define CHAOS_LIBDOM_TEMPLATE_H

#include "libdom/save.h"

/* A state of this many pages is taken in a few hundred microseconds, and is written into a shell
 * whose pages are mapped in less. */
#define TEMPLATE_SHORT_PAGES 96u

/* Copies what save_write() would write into memory, under the same conditions and with the same
 * errors, without checksums. *out is a stream at its pages: use save_info(), save_spec(), and
 * save_restore() as often as there are shells to fill, also on several threads at once; it needs
 * neither a file nor save_verify(). Its memory counts for from->budget until save_close(). When
 * this has returned, the domain may continue or end. -EFBIG: larger than what is left of
 * from->budget. Takes time in proportion to the copied pages; does not block. */
int dom_template_take(struct xen *x, const struct save_source *from, struct save_stream **out,
		      struct save_stats *st, struct err *e);
/* Unmaps the pages of the domain that are still mapped. Call it before save_close(), and soon,
 * because Xen keeps a domain until then. Takes a few us for each page. */
void dom_template_unmap(struct xen *x, struct save_stream *t);
/* For a stream whose pages save_verify() has read: makes it independent of its file, so that any
 * number of shells can be filled from it. */
void dom_template_keep(struct save_stream *t);
/* Number of pages that a save_restore() of it writes. */
uint64_t dom_template_writes(const struct save_stream *s);
/* Sets a paused domain back, in place, to a state of it, or of a domain with the same type,
 * memory and number of vCPUs: closes its ports, and sets vCPUs and memory as in the state. `t`
 * is a template, or a stream that save_verify() has read. *d was zeroed, except for mappings of
 * the domain (dom_window_move(), `control`), and is afterwards as after save_restore(). Mappings
 * of a PV domain stay for the next time, if `now->frames` requests it; those of a PVH domain
 * cannot be used again, because its guest may return these pages while it runs. If *spoilt is
 * set after an error, the domain has no vCPUs that run: for PVH another call may succeed, PV is
 * lost. Without *spoilt nothing was changed. -EINVAL: another kind of VM; -EOPNOTSUPP: PV, and
 * the guest has changed its page tables. */
int dom_template_back(struct xen *x, const struct save_source *now, struct save_stream *t,
		      struct dom *d, bool *spoilt, struct err *e);
/* Writes such a state in the form of save_write(), on any thread. */
int dom_template_write(const struct save_stream *s, const void *owner, uint32_t owner_bytes,
		       struct transfer *to, struct save_stats *st, struct err *e);

#endif
