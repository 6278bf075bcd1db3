/* SPDX-License-Identifier: BSD-3-Clause */
/* The rights of each domain, and what it owns. */
#include "store/private.h"

#include <errno.h>
#include <stdio.h>
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

/* A guest's own places: nodes there are removed with it. */
static bool is_place_of(const char *path, uint32_t domid)
{
	static const char back[] = "/local/domain/0/backend/";
	const char *at = NULL;
	char name[16];
	size_t n = (size_t)snprintf(name, sizeof(name), "/%u", domid);

	if (store_path_domain(path) == domid)
		return true;
	if (strncmp(path, back, sizeof(back) - 1) == 0)
		at = strchr(path + sizeof(back) - 1, '/');
	return at && strncmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == '/');
}

/* "/vm/<uuid>", which its domain may read: it goes with it. */
static bool is_identity(const struct store_perms *p, const char *path)
{
	return strncmp(path, "/vm/", 4) == 0 && p->n == 2 && p->perm[0].domid == 0 &&
	       p->perm[0].access == STORE_NONE && p->perm[1].access == STORE_READ;
}

/* Others have rights at a place. */
static void note_rights(struct store *s, uint32_t domid)
{
	struct store_domain *d = store_is_guest(domid) ? store_domain(s, domid, false) : NULL;

	if (d)
		d->gave = true;
	else
		s->dom0_gave = true;
}

void store_perms_note(struct store *s, const struct store_perms *p, const char *path)
{
	uint32_t owner = p->perm[0].domid;

	if (is_identity(p, path))
		return;
	if (!store_is_guest(owner)) {
		if (p->perm[0].access & STORE_WRITE)
			s->dom0_gave = true;
	} else if (!is_place_of(path, owner)) {
		note_rights(s, store_path_domain(path));
	} else if (p->perm[0].access != STORE_NONE) {
		note_rights(s, owner);
	}
	for (uint32_t i = 1; i < p->n; i++)
		if (store_is_guest(p->perm[i].domid) && !is_place_of(path, p->perm[i].domid))
			note_rights(s, store_path_domain(path));
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
	if (d->ring || d->nodes || d->watches || d->transactions || d->mentions || d->bytes ||
	    d->memory)
		return;
	HASH_DEL(s->domains, d);
	free(d);
}
