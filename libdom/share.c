/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates, and copies that share their pages. */
#include "libdom/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/save_stream.h"

#define ENTRIES	  512u
#define READ_ONLY 5ull /* present, and the guest's */
#define OWN_MAX	  32u  /* pages that a guest may name */

struct share {
	struct save_stream *s; /* its vCPU */
	uint32_t domid;
	uint64_t pages;
	xen_pfn_t *frame;
	uint32_t n; /* pages that each copy has of its own, but for page tables and device page: */
	uint64_t own[OWN_MAX + 1];
	uint8_t content[OWN_MAX + 1][PAGE_BYTES];
};

/* Its random half is kept; version 8 means a vendor-specific uuid. */
static const uint8_t mark[8] = {'c', 'h', 'a', 'o', 's', '-', 0x84, 't'};

void share_mark(uint8_t uuid[16])
{
	memcpy(uuid, mark, sizeof(mark));
}

bool share_is_template(const uint8_t uuid[16])
{
	return memcmp(uuid, mark, sizeof(mark)) == 0;
}

void share_free(struct share *t)
{
	if (!t)
		return;
	save_close(t->s);
	free(t->frame);
	free(t);
}

/* --- a template --- */

/* The pages named by the guest: false: they are not valid. */
static bool find_own(struct share *t, const struct dom *d, const volatile struct noxs_control *c)
{
	if (!(shared_load(&c->can) & NOXS_CAN_SHARE))
		return false;
	t->own[t->n++] = d->control_gfn;
	for (uint32_t i = 0; i < NOXS_OWN_MAX; i++) {
		uint32_t first = shared_load(&c->own[i].gfn);
		uint32_t pages = shared_load(&c->own[i].pages);

		if (pages > OWN_MAX + 1 - t->n || first + (uint64_t)pages > d->ring_gfn)
			return false;
		for (uint32_t k = 0; k < pages; k++)
			t->own[t->n++] = first + k;
	}
	return true;
}

static int examine_control(struct xen *x, struct share *t, const struct dom *d, bool *can,
			   struct err *e)
{
	xen_pfn_t frame[OWN_MAX + 1];
	void *at;
	int rc = xen_map(x, d->domid, false, 1, &d->control_frame, &at);

	if (rc == 0) {
		*can = find_own(t, d, at);
		xen_unmap(x, at, 1);
	}
	for (uint32_t i = 0; i < t->n; i++)
		frame[i] = t->frame[t->own[i]];
	if (rc == 0 && *can) {
		rc = xen_map(x, d->domid, false, t->n, frame, &at);
		if (rc == 0) {
			memcpy(t->content, at, t->n * PAGE_BYTES);
			xen_unmap(x, at, t->n);
		}
	}
	return rc < 0 ? err_sys(e, -rc, "map pages of domain %u", d->domid) : 0;
}

static bool may_share(const struct save_stream *s)
{
	return s->info.type == DOM_PV && s->info.vcpus == 1 && s->info.ring_pages == 0 &&
	       !s->info.linux_guest && s->h.flags & SAVE_FLAG_OWN_TABLES;
}

int share_make(struct xen *x, struct save_stream *s, const struct dom_spec *spec, struct dom *d,
	       struct share **out, struct err *e)
{
	struct share *t = may_share(s) ? calloc(1, sizeof(*t)) : NULL;
	struct save_stats st;
	bool can = false;
	int rc = dom_prepare(x, spec, NULL, d, e);

	*out = NULL;
	if (rc == 0 && t) {
		t->domid = d->domid;
		t->pages = d->pages;
		t->frame = malloc(d->pages * sizeof(*t->frame));
		if (t->frame)
			memcpy(t->frame, d->build->frame, d->pages * sizeof(*t->frame));
	}
	if (rc == 0)
		rc = save_restore(x, s, d, &st, e);
	if (rc == 0 && t && t->frame)
		rc = examine_control(x, t, d, &can, e);
	if (rc < 0 || !can) {
		share_free(t);
		return rc;
	}
	free(s->pages); /* they are in the domain */
	s->pages = NULL;
	s->from = NULL;
	t->s = s;
	*out = t;
	return 0;
}

/* --- a copy --- */

static int no_memory(struct xen *x, const struct dom *d, int rc, struct err *e)
{
	uint64_t free_pages = 0;

	if (rc != -ENOMEM)
		return err_sys(e, -rc, "populate domain %u", d->domid);
	(void)xen_free_pages(x, &free_pages);
	return err_set(e, ENOMEM, "not enough memory: %llu KiB wanted, %llu KiB were free",
		       (unsigned long long)d->pages * 4, (unsigned long long)free_pages * 4);
}

uint64_t share_own_pages(const struct share *t)
{
	return t->n + 1 + t->s->h.page_table_pages;
}

/* Its own pages. */
static int populate(struct xen *x, const struct share *t, bool aside, struct dom *d, struct err *e)
{
	const struct layout *l = &d->build->l;
	uint32_t n = t->n + 1 + (uint32_t)l->tables.pages;
	uint64_t *gfn = malloc(n * sizeof(*gfn));
	xen_pfn_t *frame = malloc(n * sizeof(*frame));
	uint32_t at = 0;
	int rc = gfn && frame ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < d->pages; i++)
		d->build->frame[i] = LAYOUT_NO_FRAME;
	for (; rc == 0 && at < t->n; at++)
		gfn[at] = t->own[at];
	if (rc == 0)
		gfn[at++] = l->dev_gfn;
	for (uint64_t i = 0; rc == 0 && i < l->tables.pages; i++)
		gfn[at++] = l->tables.gfn + i;
	if (rc == 0 && aside)
		rc = xen_claim(x, d->domid, d->pages);
	if (rc == 0) {
		for (uint32_t i = 0; i < n; i++)
			frame[i] = gfn[i];
		rc = xen_populate(x, d->domid, n, 0, frame);
	}
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		d->build->frame[gfn[i]] = frame[i];
	free(gfn);
	free(frame);
	return rc < 0 ? no_memory(x, d, rc, e) : 0;
}

static int share_pages(struct xen *x, const struct share *t, const struct dom *d, struct err *e)
{
	const struct layout *l = &d->build->l;
	const xen_pfn_t *frame = d->build->frame;
	const xen_pfn_t *l1 = frame + l->tables.gfn + l->levels[0] + l->levels[1] + l->levels[2];
	struct xen_pte *pte = malloc(d->pages * sizeof(*pte));
	uint32_t n = 0;
	int rc = pte ? 0 : -ENOMEM;

	for (uint64_t i = 0; rc == 0 && i < d->pages; i++)
		if (frame[i] == LAYOUT_NO_FRAME)
			pte[n++] = (struct xen_pte){l1[i / ENTRIES] * PAGE_BYTES + i % ENTRIES * 8,
						    t->frame[i] * PAGE_BYTES | READ_ONLY};
	if (rc == 0)
		rc = xen_set_entries(x, d->domid, t->domid, n, pte);
	free(pte);
	return rc < 0 ? err_sys(e, -rc, "share pages of domain %u", t->domid) : 0;
}

static int fill_own(struct xen *x, const struct share *t, const struct dom *d, struct err *e)
{
	xen_pfn_t frame[OWN_MAX + 1];
	void *at;
	int rc;

	for (uint32_t i = 0; i < t->n; i++)
		frame[i] = d->build->frame[t->own[i]];
	rc = xen_map(x, d->domid, true, t->n, frame, &at);
	if (rc < 0)
		return err_sys(e, -rc, "map pages of domain %u", d->domid);
	memcpy(at, t->content, t->n * PAGE_BYTES);
	xen_unmap(x, at, t->n);
	return 0;
}

static int set_cpu(struct xen *x, const struct share *t, const struct dom *d, struct err *e)
{
	struct save_pv p = {.x = x,
			    .domid = d->domid,
			    .l = &d->build->l,
			    .frame = d->build->frame,
			    .shared_mfn = d->build->shared_mfn};

	return save_cpus_set(x, t->s, d, &p, e);
}

int share_copy(struct xen *x, const struct share *t, const struct dom_spec *spec, bool aside,
	       struct dom *d, struct err *e)
{
	uint64_t since = clock_ns();
	int rc;

	dom_init(d);
	memcpy(d->uuid, spec->uuid, sizeof(d->uuid));
	rc = build_begin(d, spec, NULL, e);
	if (rc == 0 && d->pages != t->pages)
		rc = err_set(e, EINVAL, "a copy must have as much memory as its template");
	if (rc == 0)
		rc = build_create(x, d, spec, &since, e);
	if (rc == 0)
		rc = populate(x, t, aside, d, e);
	if (rc == 0) {
		d->dev_frame = build_frame(d->build, d->dev_gfn);
		d->control_frame = build_frame(d->build, d->control_gfn);
		rc = pv_tables(x, d, e);
	}
	if (rc == 0)
		rc = share_pages(x, t, d, e);
	if (rc == 0)
		rc = fill_own(x, t, d, e);
	if (rc == 0)
		rc = set_cpu(x, t, d, e);
	if (rc < 0) {
		(void)dom_destroy(x, d, NULL);
		return rc;
	}
	d->image_end_gfn = t->s->h.image_end_gfn;
	dom_release(d);
	return 0;
}
