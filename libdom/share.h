/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a saved PV guest that share its pages. */
#ifndef CHAOS_LIBDOM_SHARE_H
#define CHAOS_LIBDOM_SHARE_H

#include "libdom/save.h"

/*
 * A domain at rest, the template, has all pages of a saved guest. Its copies map them read-only,
 * and copy on write by themselves (noxs/abi.h, NOXS_CAN_SHARE). Their own pages are few: page
 * tables, both noxs pages, what the guest names. A page stays as long as a copy has it, also when
 * the template is destroyed (its id stays in use until then). So the template never runs, and none
 * of its pages is changed or given back by itself.
 */
struct share;
struct save_pv;

/* Makes a random uuid that of a template's domain. By it such a domain is known, also by the next
 * daemon, and as long as copies have pages of it: no guest has a say in it. */
void share_mark(uint8_t uuid[16]);
bool share_is_template(const uint8_t uuid[16]);

/*
 * Makes the domain of the spec, and fills it from the stream: dom_prepare() and save_restore().
 * When it can be shared *out is its template: then the stream is the template's too. Else *out is
 * NULL, and it is a copy as any other. What a failure leaves is in `d`.
 */
int share_make(struct xen *x, struct save_stream *s, const struct dom_spec *spec, struct dom *d,
	       struct share **out, struct err *e);
/* A copy, on any thread: as after save_restore(). `aside`: what it may come to need is set aside
 * for it (xen_claim()); else its guest crashes when Xen has no more at its first write to a page. A
 * failure leaves nothing. -ENOSYS: not with this dom0. */
int share_copy(struct xen *x, const struct share *t, const struct dom_spec *spec, bool aside,
	       struct dom *d, struct err *e);
/* Pages that each copy has of its own from the start. */
uint64_t share_own_pages(const struct share *t);
/* The domain is the caller's; NULL is fine. */
void share_free(struct share *t);

/* Gives a copy that does not run pages of its own in place of all that it shares: from then on it
 * is a domain as any other. -ENOMEM: not of all, and another call goes on. -EOPNOTSUPP: it maps
 * what is neither its own nor a template's. One that shares nothing is not changed. */
int share_undo(const struct save_pv *p, const volatile void *control, uint64_t cr3, struct err *e);

#endif
