/* SPDX-License-Identifier: BSD-3-Clause */
/* Gives a copy its own pages instead of the shared ones. */
#include "libdom/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <noxs/abi.h>
#include <xen/domctl.h>

#include "base/shared.h"
#include "libdom/save_stream.h"

#define ENTRIES	 512u
#define PRESENT	 1ull
#define WRITABLE 2ull
#define OWN	 7ull
#define FRAME	 0xffffffffff000ull
#define OWNERS	 64u /* domains that are looked at together */

struct undo {
	const struct save_pv *p;
	uint32_t owner; /* that the pages are of; 0: not known yet */
	/* of one table of level 1: */
	uint32_t n;
	xen_pfn_t shared[ENTRIES], own[ENTRIES];
	struct xen_pte pte[ENTRIES];
};

/* A table of the guest's, copied: it does not run. */
static int read_table(const struct save_pv *p, xen_pfn_t mfn, uint64_t *entry)
{
	void *at;
	int rc = xen_map(p->x, p->domid, false, 1, &mfn, &at);

	if (rc < 0)
		return rc;
	memcpy(entry, at, PAGE_BYTES);
	xen_unmap(p->x, at, 1);
	return 0;
}

static bool is_of(struct xen *x, uint32_t domid, xen_pfn_t frame)
{
	xen_pfn_t type = frame;

	return xen_page_types(x, domid, 1, &type) == 0 &&
	       (type & XEN_DOMCTL_PFINFO_LTAB_MASK) != XEN_DOMCTL_PFINFO_XTAB;
}

/* The template never runs, or was destroyed; a guest cannot influence that. */
static int find_owner(struct undo *u)
{
	struct xen *x = u->p->x;
	struct xen_domain_info *all = malloc(OWNERS * sizeof(*all));
	uint32_t first = 1;
	int n = all ? 0 : -ENOMEM;

	while (n >= 0 && u->owner == 0) {
		n = xen_domain_list(x, first, OWNERS, all);
		for (int i = 0; i < n && u->owner == 0; i++)
			if (share_is_template(all[i].uuid) && (all[i].paused || all[i].dying) &&
			    is_of(x, all[i].domid, u->shared[0]))
				u->owner = all[i].domid;
		if (n <= 0)
			break;
		first = all[n - 1].domid + 1;
	}
	free(all);
	if (n < 0)
		return n;
	return u->owner ? 0 : -EOPNOTSUPP;
}

/* Allocates pages for the n shared ones; with -ENOMEM u->n is the number of those that it got. */
static int populate(struct undo *u)
{
	xen_pfn_t gfn[ENTRIES];
	uint32_t n = 0;
	int rc;

	memcpy(gfn, u->own, u->n * sizeof(*gfn));
	rc = xen_populate(u->p->x, u->p->domid, u->n, 0, u->own);
	if (rc == 0)
		return 0;
	while (n < u->n && u->own[n] != gfn[n])
		n++;
	u->n = n;
	return rc;
}

static int copy_shared(struct undo *u)
{
	const struct save_pv *p = u->p;
	uint32_t n = u->n;
	void *from = NULL;
	void *to = NULL;
	int rc = u->owner ? 0 : find_owner(u);
	int lacks;

	if (rc == 0)
		rc = xen_map(p->x, u->owner, false, n, u->shared, &from);
	if (rc < 0)
		return rc == -ENOMEM ? rc : -EOPNOTSUPP;
	lacks = populate(u);
	if (u->n)
		rc = xen_map(p->x, p->domid, true, u->n, u->own, &to);
	if (rc == 0 && from && to) {
		memcpy(to, from, u->n * PAGE_BYTES);
		xen_unmap(p->x, to, u->n);
		for (uint32_t i = 0; i < u->n; i++)
			u->pte[i].value = u->own[i] * PAGE_BYTES | OWN;
		rc = xen_set_entries(p->x, p->domid, p->domid, u->n, u->pte);
	}
	xen_unmap(p->x, from, n);
	return rc < 0 ? rc : lacks;
}

/* One table of level 1, of the frames from `first` on. */
static int undo_table(struct undo *u, xen_pfn_t mfn, uint64_t first)
{
	const struct layout *l = u->p->l;
	uint64_t entry[ENTRIES];
	xen_pfn_t type[ENTRIES];
	uint32_t all = 0;
	int rc = read_table(u->p, mfn, entry);

	for (uint32_t i = 0; rc == 0 && i < ENTRIES && first + i < l->tables.gfn; i++) {
		if (!(entry[i] & PRESENT) || entry[i] & WRITABLE)
			continue;
		u->shared[all] = type[all] = (entry[i] & FRAME) >> 12;
		u->own[all] = first + i;
		u->pte[all++].at = mfn * PAGE_BYTES + i * 8ull;
	}
	if (rc == 0 && all)
		rc = xen_page_types(u->p->x, u->p->domid, all, type);
	u->n = 0;
	for (uint32_t i = 0; rc == 0 && i < all; i++) {
		if ((type[i] & XEN_DOMCTL_PFINFO_LTAB_MASK) != XEN_DOMCTL_PFINFO_XTAB)
			continue; /* the guest's own */
		u->shared[u->n] = u->shared[i];
		u->own[u->n] = u->own[i];
		u->pte[u->n++].at = u->pte[i].at;
	}
	return rc == 0 && u->n ? copy_shared(u) : rc;
}

/* The builder's tables, from virtual address 0 on; changes of a guest are found later. */
static int undo_all(struct undo *u, xen_pfn_t top)
{
	uint64_t l3[ENTRIES];
	uint64_t l2[ENTRIES];
	uint64_t pages = u->p->l->tables.gfn;
	int rc = read_table(u->p, top, l3);

	if (rc == 0)
		rc = l3[0] & PRESENT ? read_table(u->p, (l3[0] & FRAME) >> 12, l3) : -EOPNOTSUPP;
	for (uint64_t at = 0; rc == 0 && at < pages; at += ENTRIES) {
		uint64_t i = at / ENTRIES;

		if (i % ENTRIES == 0) {
			uint64_t entry = i / ENTRIES < ENTRIES ? l3[i / ENTRIES] : 0;

			rc = entry & PRESENT ? read_table(u->p, (entry & FRAME) >> 12, l2)
					     : -EOPNOTSUPP;
		}
		if (rc == 0 && l2[i % ENTRIES] & PRESENT)
			rc = undo_table(u, (l2[i % ENTRIES] & FRAME) >> 12, at);
	}
	return rc;
}

int share_undo(const struct save_pv *p, const volatile void *control, uint64_t cr3, struct err *e)
{
	const volatile struct noxs_control *c = control;
	struct undo *u;
	int rc;

	if (!(shared_load(&c->can) & NOXS_CAN_SHARE))
		return 0;
	u = malloc(sizeof(*u));
	if (!u)
		return err_set(e, ENOMEM, "out of memory");
	u->p = p;
	u->owner = 0;
	rc = undo_all(u, cr3);
	free(u);
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM,
			       "not enough memory for its own copies of the pages that it shares");
	if (rc == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP, "it maps memory that is not its own");
	return rc < 0 ? err_sys(e, -rc, "give domain %u pages of its own", p->domid) : 0;
}
