/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a saved PV guest that share pages. */
#ifndef CHAOS_LIBDOM_SHARE_H
#define CHAOS_LIBDOM_SHARE_H

#include "libdom/save.h"

/* The template is a domain that never runs and has all pages of a saved guest. Its copies map
 * them read-only, and copy a page when they write to it (noxs/abi.h, NOXS_CAN_SHARE). A copy has
 * few pages of its own: page tables, both noxs pages, and the pages that the guest names. Xen
 * keeps a page as long as a copy maps it, also after the template was destroyed (the template's
 * id stays in use until then). Therefore the template never runs, and its pages are never
 * changed or returned one by one. */
struct share;
struct save_pv;

/* Turns a random uuid into a uuid of a template's domain. Such a domain is recognized by its
 * uuid, also by the next daemon, and as long as copies map its pages; nothing that a guest
 * writes is used for that. */
void share_mark(uint8_t uuid[16]);
bool share_is_template(const uint8_t uuid[16]);

/* Makes the domain of the spec and fills it from the stream (dom_prepare() and save_restore()).
 * If it can be shared, *out is its template, which then owns the stream, too. Otherwise *out is
 * NULL, and the domain is a copy like any other. After a failure `d` has what is left. */
int share_make(struct xen *x, struct save_stream *s, const struct dom_spec *spec, struct dom *d,
	       struct share **out, struct err *e);
/* Makes a copy, on any thread; the result is as after save_restore(). `aside`: memory that it
 * may still need is reserved (xen_claim()); without that its guest crashes if Xen has no memory
 * when it first writes to a page. On failure nothing is left. -ENOSYS: dom0 is PVH. */
int share_copy(struct xen *x, const struct share *t, const struct dom_spec *spec, bool aside,
	       struct dom *d, struct err *e);
/* Number of pages that each copy has of its own from the start. */
uint64_t share_own_pages(const struct share *t);
/* The domain stays, and belongs to the caller; NULL is allowed. */
void share_free(struct share *t);

/* Gives a copy that does not run its own pages instead of the shared ones; from then on it is a
 * domain like any other. -ENOMEM: only some were replaced; another call continues. -EOPNOTSUPP:
 * it maps pages that are neither its own nor a template's. No effect on a domain that shares
 * nothing. */
int share_undo(const struct save_pv *p, const volatile void *control, uint64_t cr3, struct err *e);

#endif
