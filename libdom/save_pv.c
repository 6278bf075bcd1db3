/* SPDX-License-Identifier: BSD-3-Clause */
/* Page tables of PV guests: finds the guest frame of each machine frame, and converts entries to
 * guest frames and back. */
#include "libdom/save_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"

#define ENTRIES	  512u
#define PRESENT	  1ull
#define LARGE	  0x80ull
#define IGNORED	  0x160ull /* accessed, dirty, and global, which Xen sets itself */
#define FRAME	  0xffffffffff000ull
#define XEN_SLOT  256u /* of level 4: Xen's, and as many as ... */
#define XEN_SLOTS 16u

static uint64_t frame_of(uint64_t entry)
{
	return (entry & FRAME) >> 12;
}

static bool is_xens(int level, uint32_t slot)
{
	return level == 4 && slot >= XEN_SLOT && slot < XEN_SLOT + XEN_SLOTS;
}

/* --- which frame is which --- */

/* State of a walk. The guest's tables may refer to each other in any way, so each frame is
 * visited once as a table. */
struct walk {
	const struct save_pv *p;
	uint8_t *walked; /* by guest frame */
};

/* Records a machine frame: 1: it is a table that must be walked, if it can be a table; 0: it was
 * visited, or is not memory of the guest. */
static int enter(const struct walk *w, uint64_t mfn, bool table)
{
	const struct save_pv *p = w->p;
	uint64_t gfn;
	int rc = xen_m2p(p->x, mfn, &gfn);

	if (rc < 0 || gfn >= p->l->pages)
		return rc == -ENOENT ? 0 : rc;
	if (p->frame[gfn] == UINT64_MAX)
		p->frame[gfn] = mfn;
	if (!table || p->frame[gfn] != mfn || w->walked[gfn])
		return 0;
	w->walked[gfn] = 1;
	return 1;
}

/* Walks tables and the tables below; those of one level are mapped temporarily. */
static int walk(const struct walk *w, const xen_pfn_t *table, uint32_t n, int level)
{
	const struct save_pv *p = w->p;
	xen_pfn_t *below;
	uint64_t *at = NULL;
	uint32_t found = 0;
	uint32_t tables = 0;
	int rc = xen_map(p->x, p->domid, false, n, table, (void **)&at);

	if (rc < 0)
		return rc;
	below = malloc((size_t)n * ENTRIES * sizeof(*below));
	if (!below)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < n * ENTRIES; i++) {
		uint64_t entry = shared_load(&at[i]); /* the guest's */

		if (entry & PRESENT && !is_xens(level, i % ENTRIES))
			below[found++] = frame_of(entry);
	}
	xen_unmap(p->x, at, n);
	for (uint32_t i = 0; rc == 0 && i < found; i++) {
		rc = enter(w, below[i], level > 1);
		if (rc > 0)
			below[tables++] = below[i];
		rc = rc < 0 ? rc : 0;
	}
	for (uint32_t done = 0; rc == 0 && done < tables; done += BUILD_MAP_MAX) {
		uint32_t now = tables - done < BUILD_MAP_MAX ? tables - done : BUILD_MAP_MAX;

		rc = walk(w, below + done, now, level - 1);
	}
	free(below);
	return rc;
}

int save_pv_frames(struct save_pv *p, const uint64_t *cr3, uint32_t n, struct err *e)
{
	struct walk w = {p, calloc(1, p->l->pages)};
	uint64_t missing = 0;
	struct xen_domain_info info;
	int rc = w.walked ? xen_domain_info(p->x, p->domid, &info) : -ENOMEM;

	if (rc == 0)
		p->shared_mfn = info.shared_info_mfn;
	if (rc == 0 && p->l->grants.pages)
		rc = xen_grant_frames(p->x, p->domid, (uint32_t)p->l->grants.pages, p->grant_mfn);
	memset(p->frame, 0xff, p->l->pages * sizeof(*p->frame));
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		rc = enter(&w, cr3[i], true);
		if (rc > 0)
			rc = walk(&w, &cr3[i], 1, 4);
	}
	free(w.walked);
	if (rc < 0)
		return err_sys(e, -rc, "walk the page tables of domain %u", p->domid);
	for (uint64_t i = 0; i < p->l->pages; i++)
		missing += p->frame[i] == UINT64_MAX;
	if (missing)
		return err_set(e, EOPNOTSUPP,
			       "its page tables do not map all of its memory (%llu pages are "
			       "missing), which is needed to save a PV guest",
			       (unsigned long long)missing);
	return 0;
}

bool save_pv_noted(struct save_pv *p, const struct dom_frames *noted)
{
	uint64_t gfn = 0;

	if (noted->n > DOM_RUNS_MAX)
		return false;
	for (uint32_t i = 0; i < noted->n; i++) {
		const struct dom_run *r = &noted->run[i];
		uint64_t n = r->pages < 0 ? 0 - (uint64_t)r->pages : (uint64_t)r->pages;
		uint64_t step = r->pages < 0 ? UINT64_MAX : 1;

		if (n > p->l->pages - gfn)
			return false;
		for (uint64_t k = 0; k < n; k++) /* also downwards */
			p->frame[gfn + k] = r->mfn + k * step;
		gfn += n;
	}
	p->shared_mfn = noted->shared;
	for (uint64_t i = 0; i < p->l->grants.pages; i++)
		p->grant_mfn[i] = noted->grant[i];
	return noted->n && gfn == p->l->pages;
}

int save_pv_listed(struct save_pv *p, const uint64_t *entry)
{
	const uint64_t *l1 =
		entry + (uint64_t)(p->l->levels[0] + p->l->levels[1] + p->l->levels[2]) * ENTRIES;
	struct xen_domain_info info;
	int rc = xen_domain_info(p->x, p->domid, &info);

	if (rc == 0 && p->l->grants.pages)
		rc = xen_grant_frames(p->x, p->domid, (uint32_t)p->l->grants.pages, p->grant_mfn);
	if (rc < 0)
		return rc;
	p->shared_mfn = info.shared_info_mfn;
	for (uint64_t i = 0; i < p->l->pages; i++)
		p->frame[i] = frame_of(shared_load(&l1[i]));
	return 0;
}

uint64_t save_pv_gfn(const struct save_pv *p, uint64_t mfn)
{
	uint64_t gfn;

	if (mfn == p->frame[p->l->tables.gfn])
		return p->l->tables.gfn;
	if (mfn == p->shared_mfn)
		return p->l->shared_gfn;
	for (uint64_t i = 0; i < p->l->grants.pages; i++)
		if (mfn == p->grant_mfn[i])
			return p->l->grants.gfn + i;
	if (xen_m2p(p->x, mfn, &gfn) < 0 || gfn >= p->l->pages || p->frame[gfn] != mfn)
		return UINT64_MAX;
	return gfn;
}

uint64_t save_pv_mfn(const struct save_pv *p, uint64_t gfn)
{
	if (gfn < p->l->pages)
		return p->frame[gfn];
	if (gfn == p->l->shared_gfn)
		return p->shared_mfn;
	if (gfn >= p->l->grants.gfn && gfn - p->l->grants.gfn < p->l->grants.pages)
		return p->grant_mfn[gfn - p->l->grants.gfn];
	return UINT64_MAX;
}

/* --- tables --- */

int save_pv_table_out(const struct save_pv *p, uint64_t *entry, int level, struct err *e)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint64_t gfn;

		if (is_xens(level, i)) {
			entry[i] = 0;
			continue;
		}
		if (entry[i] == 0)
			continue;
		gfn = entry[i] & PRESENT ? save_pv_gfn(p, frame_of(entry[i])) : UINT64_MAX;
		if (gfn == UINT64_MAX || (level > 1 && entry[i] & LARGE))
			return err_set(
				e, EOPNOTSUPP,
				"its page tables have an entry that is not of its own memory "
				"(0x%llx)",
				(unsigned long long)entry[i]);
		entry[i] = (entry[i] & ~FRAME) | gfn << 12;
	}
	return 0;
}

int save_pv_table_in(const struct save_pv *p, uint64_t *entry, int level, struct err *e)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint64_t mfn;

		if (entry[i] == 0)
			continue;
		mfn = entry[i] & PRESENT ? save_pv_mfn(p, frame_of(entry[i])) : UINT64_MAX;
		if (mfn == UINT64_MAX || is_xens(level, i))
			return err_set(
				e, EPROTO,
				"the file is damaged: a page table in it leads outside of its "
				"memory");
		entry[i] = (entry[i] & ~FRAME) | mfn << 12;
	}
	return 0;
}

static bool same_entries(const uint64_t *a, const uint64_t *b, uint64_t n)
{
	uint64_t differ = 0;

	for (uint64_t i = 0; i < n; i++)
		differ |= a[i] ^ b[i];
	return (differ & ~IGNORED) == 0;
}

bool save_pv_own_tables(const struct layout *l, const uint64_t *entry)
{
	uint64_t n = l->tables.pages * ENTRIES;
	uint64_t *frame = malloc((l->pages + l->grants.pages) * sizeof(*frame));
	uint64_t *want = malloc(n * sizeof(*want));
	bool same = frame && want;

	for (uint64_t i = 0; same && i < l->pages; i++)
		frame[i] = i;
	for (uint64_t i = 0; same && i < l->grants.pages; i++)
		frame[l->pages + i] = l->grants.gfn + i;
	if (same)
		tables_fill_pv(want, l, 0, frame, l->shared_gfn, frame + l->pages);
	same = same && same_entries(entry, want, n);
	free(frame);
	free(want);
	return same;
}

/* The slots of Xen in the top table are not compared. */
static bool same_top(const uint64_t *a, const uint64_t *b)
{
	return same_entries(a, b, XEN_SLOT) &&
	       same_entries(a + XEN_SLOT + XEN_SLOTS, b + XEN_SLOT + XEN_SLOTS,
			    ENTRIES - XEN_SLOT - XEN_SLOTS);
}

bool save_pv_kept(const struct save_pv *p, const uint64_t *entry)
{
	uint64_t n = p->l->tables.pages * ENTRIES;
	uint64_t *want = malloc(n * sizeof(*want));
	bool same = want != NULL;

	if (same) {
		tables_fill_pv(want, p->l, 0, p->frame, p->shared_mfn, p->grant_mfn);
		same = same_top(entry, want) &&
		       same_entries(entry + ENTRIES, want + ENTRIES, n - ENTRIES);
	}
	free(want);
	return same;
}
