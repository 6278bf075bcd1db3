/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of a stream into a shell. */
#include "libdom/save_linux.h"
#include "libdom/save_pvlinux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"
#include "libdom/live.h"
#include "libdom/live_maps.h"

#define AT_ONCE 512u /* pages of one read, each its own piece at the worst */

/* A restore under way. */
struct restoring {
	struct xen *x;
	struct save_stream *s;
	struct dom *d;
	struct save_stats *st;
	struct save_pv pv;
	struct save_hash *hash; /* also for pages that were verified, because the file may have
				   changed since */
	/* The pages of the next read: their addresses here, and the kinds of their runs. */
	uint8_t *at[AT_ONCE];
	uint64_t gfn[AT_ONCE];
	uint32_t kind[AT_ONCE];
	uint32_t n;
	/* Maps those pages that are not in the window. */
	uint8_t *map;
	uint32_t mapped;
	uint64_t batches;
};

/* --- one batch of pages --- */

static int map_frames(struct restoring *r, const xen_pfn_t *frame, struct err *e)
{
	int rc;

	if (r->s->maps)
		return live_map(r->x, r->s->maps, r->batches, r->mapped, frame, &r->map, e);
	rc = xen_map(r->x, r->d->domid, true, r->mapped, frame, (void **)&r->map);
	return rc < 0 ? err_sys(e, -rc, "map %u pages of domain %u", r->mapped, r->d->domid) : 0;
}

static int map_batch(struct restoring *r, struct err *e)
{
	xen_pfn_t frame[AT_ONCE];
	uint32_t next = 0;
	int rc;

	r->mapped = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		r->at[i] = build_mapped(r->d, r->gfn[i]);
		if (!r->at[i])
			frame[r->mapped++] = build_frame(r->d->build, r->gfn[i]);
	}
	rc = r->mapped ? map_frames(r, frame, e) : 0;
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < r->n; i++)
		if (!r->at[i])
			r->at[i] = r->map + next++ * PAGE_BYTES;
	return 0;
}

/* The file was read when it was verified. */
static void copy_batch(struct restoring *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->kind[i] == SAVE_RUN_ZERO)
			continue;
		memcpy(r->at[i], r->s->pages + r->st->done * PAGE_BYTES, PAGE_BYTES);
		shared_store(&r->st->done, r->st->done + 1);
		shared_store(&r->st->bytes, r->st->bytes + PAGE_BYTES);
	}
}

/* One call reads all pages of the batch that are in the stream. */
static int read_batch(struct restoring *r, struct err *e)
{
	struct iovec iov[AT_ONCE];
	struct iovec keep[AT_ONCE];
	uint64_t bytes = 0;
	uint32_t n = 0;
	ssize_t got;

	for (uint32_t i = 0; i < r->n; i++) {
		uint8_t *end = n ? (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len : NULL;

		if (r->kind[i] == SAVE_RUN_ZERO)
			continue;
		bytes += PAGE_BYTES;
		if (n && end == r->at[i])
			iov[n - 1].iov_len += PAGE_BYTES;
		else
			iov[n++] = (struct iovec){r->at[i], PAGE_BYTES};
	}
	if (n == 0)
		return 0;
	memcpy(keep, iov, n * sizeof(*iov));
	got = transfer_read(r->s->from, iov, n);
	if (got < 0)
		return err_sys(e, (int)-got, "read the saved VM");
	shared_store(&r->st->bytes, r->st->bytes + (uint64_t)got);
	shared_store(&r->st->done, r->st->done + (uint64_t)got / PAGE_BYTES);
	if ((uint64_t)got < bytes)
		return err_set(e, EPROTO, "the file is cut: it ends within its pages");
	for (uint32_t i = 0; i < n; i++)
		save_hash_add(r->hash, keep[i].iov_base, keep[i].iov_len);
	return 0;
}

static int do_batch(struct restoring *r, struct err *e)
{
	int rc;

	if (r->n == 0)
		return 0;
	rc = map_batch(r, e);
	if (rc == 0 && r->s->pages)
		copy_batch(r);
	else if (rc == 0)
		rc = read_batch(r, e);
	for (uint32_t i = 0; rc == 0 && i < r->n; i++) {
		if (r->kind[i] == SAVE_RUN_ZERO) /* memory may come dirty */
			memset(r->at[i], 0, PAGE_BYTES);
		else if (save_is_table(r->kind[i]))
			rc = save_pv_table_in(&r->pv, (uint64_t *)(void *)r->at[i],
					      (int)(r->kind[i] - SAVE_RUN_L1) + 1, e);
	}
	if (r->s->maps)
		live_maps_batch(r->s->maps);
	else
		xen_unmap(r->x, r->map, r->mapped);
	r->map = NULL;
	r->batches++;
	r->n = 0;
	return rc;
}

static int read_pages(struct restoring *r, struct err *e)
{
	const struct save_stream *s = r->s;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->h.runs; i++) {
		const struct save_run *run = &s->run[i];

		for (uint32_t k = 0; rc == 0 && k < run->pages; k++) {
			r->gfn[r->n] = run->gfn + k;
			r->kind[r->n++] = run->kind;
			if (r->n == AT_ONCE)
				rc = do_batch(r, e);
		}
	}
	return rc < 0 ? rc : do_batch(r, e);
}

static int read_end(struct restoring *r, struct err *e)
{
	struct save_end end;
	struct iovec iov = {&end, sizeof(end)};
	ssize_t got = transfer_read(r->s->from, &iov, 1);
	uint64_t hash;

	if (got < 0)
		return err_sys(e, (int)-got, "read the saved VM");
	if (got != sizeof(end))
		return err_set(e, EPROTO, "the file is cut: its end is missing");
	hash = save_hash_end(r->hash);
	r->hash = NULL;
	if (memcmp(end.magic, SAVE_END_MAGIC, sizeof(end.magic)) != 0 || hash != end.pages_hash)
		return err_set(e, EPROTO,
			       "the file is damaged: the checksum of its pages is wrong");
	return 0;
}

/* --- page tables of PV --- */

/* The shell's own tables become ordinary pages. */
static int release_tables(struct restoring *r, struct err *e)
{
	struct dom *d = r->d;
	int rc = xen_vcpu_reset(r->x, d->domid, 0);

	if (rc == 0)
		rc = xen_unpin(r->x, d->domid, build_frame(d->build, d->page_table_gfn));
	/* Pages that this process has mapped writable cannot become page tables. */
	for (uint32_t i = 0; rc == 0 && i < r->s->h.runs; i++)
		if (save_is_table(r->s->run[i].kind) && d->window &&
		    r->s->run[i].gfn < d->window_gfn + d->window_pages)
			dom_window_close(r->x, d);
	return rc < 0 ? err_sys(e, -rc, "undo the page tables of domain %u", d->domid) : 0;
}

static int pin_tables(struct restoring *r, struct err *e)
{
	for (uint32_t i = 0; i < r->s->h.runs; i++) {
		const struct save_run *run = &r->s->run[i];

		for (uint32_t k = 0; run->kind == SAVE_RUN_L4 && k < run->pages; k++) {
			int rc = xen_pin_l4(r->x, r->d->domid,
					    build_frame(r->d->build, run->gfn + k));

			if (rc < 0)
				return err_set(e, EPROTO,
					       "the file is damaged: Xen refuses the page tables "
					       "in it");
		}
	}
	return 0;
}

static int find_frames(struct restoring *r, struct err *e)
{
	const struct dom *d = r->d;
	struct save_pv *p = &r->pv;
	int rc = 0;

	*p = (struct save_pv){.x = r->x,
			      .domid = d->domid,
			      .l = &d->build->l,
			      .frame = d->build->frame,
			      .shared_mfn = d->build->shared_mfn};
	if (d->grant_frames)
		rc = xen_grant_frames(r->x, d->domid, d->grant_frames, p->grant_mfn);
	return rc < 0 ? err_sys(e, -rc, "find the grant table of domain %u", d->domid) : 0;
}

/* --- all of it --- */

static int check_shell(const struct save_stream *s, const struct dom *d, struct err *e)
{
	bool fits =
		d->build && (s->info.linux_guest ? d->build->for_linux
						 : d->build->direct && d->dev_gfn == s->h.dev_gfn &&
							   d->build->virt_base == 0);

	if (!fits || d->type != s->info.type || d->pages != s->info.pages ||
	    d->vcpus != s->info.vcpus || d->ring_pages != s->info.ring_pages)
		return err_set(e, EINVAL, "domain %u is not a shell for this saved VM", d->domid);
	return 0;
}

static off_t behind(const struct save_stream *s)
{
	return s->pages_at + (off_t)(s->h.present * PAGE_BYTES + sizeof(struct save_end));
}

static void count(const struct save_stream *s, struct save_stats *st)
{
	*st = (struct save_stats){
		.pages = s->h.pages,
		.present = s->h.present,
		.untouched = s->h.pages > s->h.present ? s->h.pages - s->h.present : 0,
		.bytes = s->info.bytes - s->h.present * PAGE_BYTES - sizeof(struct save_end)};
	if (s->live) {
		st->bytes = live_read_bytes(s->live);
		st->present += live_read_pages(s->live);
		st->done = st->present - s->h.present;
	}
	for (uint32_t i = 0; i < s->h.runs; i++)
		if (s->run[i].kind == SAVE_RUN_ZERO)
			st->zero += s->run[i].pages;
	st->untouched -= st->zero < st->untouched ? st->zero : st->untouched;
}

void save_keep_generation(struct save_stream *s)
{
	s->keep_generation = true;
}

void save_leave_mapped(struct save_stream *s)
{
	s->leave_mapped = true;
}

bool save_is_mapped(const struct save_stream *s)
{
	return s->maps || s->live;
}

bool save_unmap_restored(struct xen *x, struct save_stream *s)
{
	return live_read_unmap(x, s) || (s->maps && live_unmap_one(x, s->maps));
}

int save_restore(struct xen *x, struct save_stream *s, struct dom *d, struct save_stats *st,
		 struct err *e)
{
	struct restoring *r;
	bool tables = d->type == DOM_PV && !(s->h.flags & SAVE_FLAG_OWN_TABLES);
	int rc = check_shell(s, d, e);

	count(s, st);
	if (rc < 0)
		return rc;
	if (s->h.kind == SAVE_KIND_PV_LINUX)
		return save_pv_linux_restore(x, s, d, st, e);
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->x = x;
	r->s = s;
	r->d = d;
	r->st = st;
	if (!s->pages)
		r->hash = s->live ? live_read_hash(s->live) : save_hash_new();
	if (!s->pages && !r->hash)
		rc = err_set(e, ENOMEM, "out of memory");
	if (rc == 0 && s->leave_mapped) {
		s->maps = live_maps_new(d->domid, true, s->h.pages + SAVE_LINUX_SPECIAL);
		rc = s->maps ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	if (rc == 0 && d->type == DOM_PV)
		rc = find_frames(r, e);
	if (rc == 0 && tables)
		rc = release_tables(r, e);
	if (rc == 0 && s->info.linux_guest)
		rc = save_linux_begin(x, s, d, e);
	if (s->from)
		transfer_at(s->from, s->pages ? behind(s) : s->pages_at);
	if (rc == 0)
		rc = read_pages(r, e);
	if (rc == 0 && !s->pages)
		rc = read_end(r, e);
	if (rc == 0 && tables)
		rc = pin_tables(r, e);
	if (rc == 0 && s->info.linux_guest)
		rc = save_linux_end(x, s, d, e);
	if (rc == 0)
		rc = save_cpus_set(x, s, d, &r->pv, e);
	if (s->from)
		transfer_at(s->from, -1);
	save_hash_drop(r->hash);
	free(r);
	if (rc < 0)
		return rc;
	d->image_end_gfn = s->h.image_end_gfn;
	dom_release(d);
	return 0;
}
