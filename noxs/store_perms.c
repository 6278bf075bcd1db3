/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may what, and what each domain holds. */
#include "noxs/store_private.h"

#include <errno.h>
#include <stdlib.h>

/* --- permissions --- */

struct store_perms *store_perms_new(struct store *s, const struct store_perm *perm, uint32_t n)
{
	struct store_perms *p = malloc(sizeof(*p) + n * sizeof(*perm));

	if (!p)
		return NULL;
	p->refs = 1;
	p->n = n;
	memcpy(p->perm, perm, n * sizeof(*perm));
	for (uint32_t i = 1; i < n; i++) {
		struct store_domain *d = store_domain(s, perm[i].domid, true);

		if (!d) {
			p->n = i;
			store_perms_put(s, p);
			return NULL;
		}
		d->mentions++;
	}
	return p;
}

void store_perms_put(struct store *s, struct store_perms *p)
{
	if (!p || --p->refs)
		return;
	for (uint32_t i = 1; i < p->n; i++) {
		struct store_domain *d = store_domain(s, p->perm[i].domid, false);

		d->mentions--;
		store_domain_tidy(s, d);
	}
	free(p);
}

struct store_perms *store_perms_inherit(struct store *s, struct store_perms *parent, uint32_t by)
{
	struct store_perms *p;

	if (!store_is_guest(by) || parent->perm[0].domid == by) {
		parent->refs++;
		return parent;
	}
	p = store_perms_new(s, parent->perm, parent->n);
	if (p)
		p->perm[0].domid = by;
	return p;
}

enum store_access store_allowed(const struct store_perms *p, uint32_t domid)
{
	if (!store_is_guest(domid) || p->perm[0].domid == domid)
		return STORE_BOTH;
	for (uint32_t i = 1; i < p->n; i++)
		if (p->perm[i].domid == domid)
			return p->perm[i].access;
	return p->perm[0].access;
}

bool store_owns(const struct store_perms *p, uint32_t domid)
{
	return !store_is_guest(domid) || p->perm[0].domid == domid;
}

/* --- what domains hold --- */

struct store_domain *store_domain(struct store *s, uint32_t domid, bool make)
{
	struct store_domain *d = NULL;

	HASH_FIND(hh, s->domains, &domid, sizeof(domid), d);
	if (d || !make)
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->domid = domid;
	HASH_ADD(hh, s->domains, domid, sizeof(d->domid), d);
	return d;
}

void store_domain_tidy(struct store *s, struct store_domain *d)
{
	if (d->ring || d->nodes || d->watches || d->transactions || d->mentions || d->bytes)
		return;
	HASH_DEL(s->domains, d);
	free(d);
}
