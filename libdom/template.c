/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies the state of a stopped domain into memory. */
#include "libdom/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"
#include "libdom/save_saving.h"

/* What has the kind of a page that is carried. */
static bool is_carried(uint8_t kind)
{
	return kind != SAVE_RUN_ZERO && kind != SAVING_LEFT_OUT;
}

static int copy_pages(struct saving *s, uint8_t *to, struct err *e)
{
	const uint8_t *table = s->tables;

	for (uint64_t i = 0; i < s->n; i++) {
		int rc;

		if (!is_carried(s->kind[i]))
			continue;
		if (save_is_table(s->kind[i])) {
			memcpy(to, table, PAGE_BYTES);
			table += PAGE_BYTES;
		} else {
			rc = saving_look_at(s, i, e);
			if (rc < 0)
				return rc;
			memcpy(to, saving_page_at(s, i), PAGE_BYTES);
		}
		to += PAGE_BYTES;
		s->st->done++;
	}
	return 0;
}

/* Checked before the memory is allocated, because many states may be taken at once. */
static int reserve(struct save_stream *t, struct save_budget *b, uint64_t bytes, struct err *e)
{
	uint64_t most = b ? __atomic_load_n(&b->most, __ATOMIC_RELAXED) : 0;

	if (!b)
		return 0;
	if (__atomic_add_fetch(&b->used, bytes, __ATOMIC_RELAXED) > most) {
		(void)__atomic_sub_fetch(&b->used, bytes, __ATOMIC_RELAXED);
		return err_set(e, EFBIG,
			       "its state needs %llu MiB, but all states in memory together may "
			       "use %llu (setting branch_memory): use \"chaos snapshot\" and "
			       "\"chaos create --from\"",
			       (unsigned long long)((bytes >> 20) + 1),
			       (unsigned long long)(most >> 20));
	}
	t->budget = b;
	t->budgeted = bytes;
	return 0;
}

static int copy_state(struct saving *s, struct save_stream *t, struct err *e)
{
	int rc = reserve(t, s->from->budget,
			 sizeof(*t) + save_sections(&s->h) + s->h.present * PAGE_BYTES, e);

	if (rc < 0)
		return rc;

	t->h = s->h;
	t->pages_at = -1;
	t->verified = true;
	t->sections = saving_sections(s, NULL);
	t->pages = malloc(s->h.present * PAGE_BYTES + 1);
	if (!t->sections || !t->pages)
		return err_set(e, ENOMEM, "out of memory");
	save_describe(t);
	save_find_sections(t);
	rc = copy_pages(s, t->pages, e);
	if (rc == 0)
		rc = saving_stood_still(s, e);
	if (rc == 0) { /* unmapping takes longer than all else */
		t->source_map = s->map;
		t->source_mapped = s->mapped;
		s->map = NULL;
		s->mapped = 0;
	}
	return rc;
}

void dom_template_unmap(struct xen *x, struct save_stream *t)
{
	xen_unmap(x, t->source_map, t->source_mapped);
	t->source_map = NULL;
	t->source_mapped = 0;
}

int dom_template_take(struct xen *x, const struct save_source *from, struct save_stream **out,
		      struct save_stats *st, struct err *e)
{
	struct save_stream *t = calloc(1, sizeof(*t));
	struct saving *s = NULL;
	int rc =
		t ? saving_begin(x, from, 0, NULL, st, &s, e) : err_set(e, ENOMEM, "out of memory");

	*out = NULL;
	if (rc == 0 && s->h.kind == SAVE_KIND_PV_LINUX)
		rc = err_set(e, EOPNOTSUPP,
			     "the state of a PV guest without noxs entry cannot be kept in memory");
	if (rc == 0)
		rc = copy_state(s, t, e);
	saving_end(s);
	if (rc < 0) {
		save_close(t);
		return rc;
	}
	*out = t;
	return 0;
}

int dom_template_write(const struct save_stream *s, const void *owner, uint32_t owner_bytes,
		       struct transfer *to, struct save_stats *st, struct err *e)
{
	uint64_t pages = s->h.present * PAGE_BYTES;
	struct save_end end = {.pages_hash = save_hash_of(s->pages, pages)};
	struct save_header h;
	uint8_t *head;
	int rc = save_head_for(s, owner, owner_bytes, &h, &head, e);

	if (rc < 0)
		return rc;
	memcpy(end.magic, SAVE_END_MAGIC, sizeof(end.magic));
	rc = transfer_write(to,
			    (struct iovec[]){{&h, sizeof(h)},
					     {head, save_sections(&h)},
					     {s->pages, pages},
					     {&end, sizeof(end)}},
			    4);
	free(head);
	shared_store(&st->bytes, to->bytes);
	return rc < 0 ? err_sys(e, -rc, "write the saved VM") : 0;
}

void dom_template_keep(struct save_stream *t)
{
	t->from = NULL;
	t->pages_at = -1;
}

uint64_t dom_template_writes(const struct save_stream *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->h.runs; i++)
		n += s->run[i].pages;
	return n;
}

/* --- back into the domain --- */

#define BACK_WINDOW 1024u /* pages that are mapped together */

static int check_kind(const struct save_source *now, const struct save_info *i, struct err *e)
{
	if (now->type == i->type && now->vcpus == i->vcpus && now->pages == i->pages &&
	    now->ring_pages == i->ring_pages)
		return 0;
	return err_set(e, EINVAL,
		       "the state is of a VM with another type, memory or number of vCPUs");
}

/* The builder's record of a PV guest's frames is valid if its page tables have not changed: they
 * map all of its memory, each page writable, so none of these pages is a table or a page of
 * another domain. A guest that fakes these tables and uses others harms only itself: Xen refuses
 * them below. */
static bool find_noted(struct xen *x, const struct save_source *now, struct dom *d)
{
	const struct layout *l = &d->build->l;
	struct save_pv pv = {.x = x, .domid = d->domid, .l = l, .frame = d->build->frame};
	void *at = d->tables;

	/* Not recorded, but found the last time: then the tables are still mapped. */
	if (!save_pv_noted(&pv, &now->frames) && (!at || save_pv_listed(&pv, at) < 0))
		return false;
	if (pv.frame[l->dev_gfn] != now->dev_frame ||
	    pv.frame[l->control_gfn] != now->control_frame)
		return false;
	if (!at && xen_map(x, d->domid, false, (uint32_t)l->tables.pages, pv.frame + l->tables.gfn,
			   &at) < 0)
		return false;
	d->tables = at;
	d->build->shared_mfn = pv.shared_mfn;
	return save_pv_kept(&pv, at);
}

/* Finds the pages of a PV guest. If it has made its own page tables, they would be overwritten. */
static int find_frames(struct xen *x, const struct save_source *now, struct dom *d, struct err *e)
{
	struct save_stats st;
	struct saving *s;
	void *at;
	int rc;

	if (find_noted(x, now, d))
		return 0;
	dom_window_close(x, d); /* of other frames */
	rc = saving_begin(x, now, 0, NULL, &st, &s, e);
	if (rc == 0 && !(s->h.flags & SAVE_FLAG_OWN_TABLES))
		rc = err_set(e, EOPNOTSUPP,
			     "it has changed its page tables: such a PV guest cannot be set back");
	if (rc == 0 && xen_map(x, d->domid, false, (uint32_t)s->l.tables.pages,
			       s->pv.frame + s->l.tables.gfn, &at) == 0)
		d->tables = at;
	if (rc == 0) {
		memcpy(d->build->frame, s->pv.frame, d->pages * sizeof(*s->pv.frame));
		d->build->shared_mfn = s->pv.shared_mfn;
	}
	saving_end(s);
	return rc;
}

/* Mapped before anything is changed. Pages far above the others are mapped later. */
static int map_pages(struct xen *x, const struct save_stream *t, struct dom *d, struct err *e)
{
	uint32_t tables = d->type == DOM_PVH ? (uint32_t)d->page_table_pages : 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < t->h.runs; i++)
		if (t->run[i].gfn < d->ring_gfn && t->run[i].gfn + t->run[i].pages > end)
			end = t->run[i].gfn + t->run[i].pages;
	end = end < d->ring_gfn ? end : d->ring_gfn;
	if (end == 0 || end > BACK_WINDOW)
		return 0;
	if (d->window && d->window_gfn == 0 && d->window_pages >= end && d->window_tables == tables)
		return 0;
	if (d->window)
		xen_unmap(x, d->window, d->window_pages + d->window_tables);
	d->window = NULL;
	d->window_pages = d->window_tables = 0;
	return dom_window(x, d, (uint32_t)end, e);
}

/* Afterwards vCPUs are neither blocked nor polling. */
static int reset(struct xen *x, const struct dom *d, bool *spoilt, struct err *e)
{
	int rc = xen_evtchn_reset(x, d->domid);

	*spoilt = rc == 0;
	for (uint32_t i = 0; rc == 0 && i < d->vcpus; i++)
		rc = xen_vcpu_reset(x, d->domid, i);
	return rc < 0 ? err_sys(e, -rc, "reset domain %u", d->domid) : 0;
}

int dom_template_back(struct xen *x, const struct save_source *now, struct save_stream *t,
		      struct dom *d, bool *spoilt, struct err *e)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	struct save_stats st;
	uint64_t cpu_ns;
	int rc = check_kind(now, &t->info, e);

	*spoilt = false;
	if (rc == 0)
		rc = saving_stands_still(x, now, &cpu_ns, e);
	if (rc < 0)
		return rc;
	save_spec(t, &spec);
	rc = build_begin(d, &spec, NULL, e);
	d->domid = now->domid;
	d->dev_frame = now->dev_frame;
	d->control_frame = now->control_frame;
	d->frames = now->frames;
	if (rc == 0 && d->type == DOM_PV)
		rc = find_frames(x, now, d, e);
	else if (rc == 0 && (d->dev_frame != d->dev_gfn || d->control_frame != d->control_gfn))
		rc = err_set(e, EOPNOTSUPP, "the state has another memory layout");
	if (rc == 0)
		rc = map_pages(x, t, d, e);
	if (rc == 0)
		rc = reset(x, d, spoilt, e);
	if (rc == 0)
		rc = save_restore(x, t, d, &st, e);
	if (rc == 0)
		*spoilt = false;
	else
		dom_release(d);
	return rc;
}
