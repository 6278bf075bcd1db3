/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a domain that stands still: its state in memory of this process, and any number of
 * shells filled with it. */
#ifndef CHAOS_LIBDOM_TEMPLATE_H
#define CHAOS_LIBDOM_TEMPLATE_H

#include "libdom/save.h"

/* So many pages are taken in a few hundred microseconds, and put into a shell whose pages are
 * mapped in less. */
#define TEMPLATE_SHORT_PAGES 96u

/*
 * Takes what save_write() would write, and with the same conditions and errors, into memory; no
 * checksums. *out is a stream that is at its pages: save_info(), save_spec(), and save_restore() as
 * often as there are shells to be filled, also by several threads at a time; it needs neither file
 * nor save_verify(). Its memory is of from->budget until save_close(). The domain may go
 * on, or end, when this has returned. -EFBIG: more than from->budget has left. In proportion to the
 * pages that it carries; blocks on nothing.
 */
int dom_template_take(struct xen *x, const struct save_source *from, struct save_stream **out,
		      struct save_stats *st, struct err *e);
/* Unmaps what is still mapped of the domain: before save_close(), and soon, as Xen keeps a domain
 * until then. It takes a few us for each page, which nothing has to wait for. */
void dom_template_unmap(struct xen *x, struct save_stream *t);
/* Of a file whose pages save_verify() has read: it needs the file no more, and is filled into any
 * number of shells. */
void dom_template_keep(struct save_stream *t);
/* So many pages are written by a save_restore() of it. */
uint64_t dom_template_writes(const struct save_stream *s);
/*
 * Sets a domain that is paused back to a state of it, or of one with the same type, memory and
 * number of vCPUs, in place: its ports are closed, its vCPUs and memory are as in the state. `t` is
 * a template, or a stream that save_verify() has read. *d was zeroed but for what is mapped of the
 * domain (dom_window_move(), `control`), and is as after save_restore(); so the caller goes on.
 * What is mapped then stays so: of PV for the next time, when that was asked by `now->frames`; of
 * PVH its guest may give these pages back while it runs, so that they are of no use any more. With
 * *spoilt an error has left a domain without vCPUs that run: of PVH another call of this may
 * succeed, PV is lost. Else nothing is changed. -EINVAL: another kind of VM; -EOPNOTSUPP: PV, and
 * the guest has changed its page tables.
 */
int dom_template_back(struct xen *x, const struct save_source *now, struct save_stream *t,
		      struct dom *d, bool *spoilt, struct err *e);
/* Writes such a state as save_write() writes a domain, on any thread. */
int dom_template_write(const struct save_stream *s, const void *owner, uint32_t owner_bytes,
		       struct transfer *to, struct save_stats *st, struct err *e);

#endif
