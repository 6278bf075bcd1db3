/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads rounds of a live stream into a shell. The data is hostile: each run is checked before it
 * is used, and the amount is limited by the number of rounds and the guest's memory. */
#include "libdom/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"
#include "libdom/live_maps.h"
#include "libdom/save_linux.h"

struct live_read {
	struct save_hash *hash;
	struct live_maps maps;
	struct dom *d;
	uint64_t next; /* runs of this round are from here on */
	uint32_t rounds;
	uint64_t bytes, pages;
	struct save_batch h;
	struct save_run run[SAVE_BATCH_MOST];
	struct iovec iov[SAVE_BATCH_MOST];
	uint32_t pieces;
};

static int damaged(struct err *e, const char *what)
{
	return err_set(e, EPROTO, "the stream is damaged: %s", what);
}

/* --- what it is --- */

static uint64_t top(const struct save_header *h)
{
	return h->kind == SAVE_KIND_LINUX ? save_linux_top(h->pages) : h->pages;
}

struct live_read *live_read_new(const struct save_header *h)
{
	struct live_read *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->hash = save_hash_new();
	l->maps.writable = true;
	if (l->hash && live_maps_open(&l->maps, top(h), NULL) == 0)
		return l;
	live_read_free(l);
	return NULL;
}

void live_read_free(struct live_read *l)
{
	if (!l)
		return;
	save_hash_drop(l->hash);
	live_maps_free(&l->maps);
	free(l);
}

struct save_hash *live_read_hash(struct live_read *l)
{
	struct save_hash *h = l->hash;

	l->hash = NULL;
	return h;
}

bool live_is(const struct save_stream *s)
{
	return s->live != NULL;
}

uint64_t live_read_bytes(const struct live_read *l)
{
	return shared_load(&l->bytes);
}

uint64_t live_read_pages(const struct live_read *l)
{
	return l->pages;
}

bool live_read_unmap(struct xen *x, struct save_stream *s)
{
	return s->live && live_unmap_one(x, &s->live->maps);
}

/* --- a batch --- */

static int read_all(struct save_stream *s, struct iovec *iov, uint32_t n, uint64_t bytes,
		    struct err *e)
{
	ssize_t got = transfer_read(s->from, iov, n);

	if (got < 0)
		return err_sys(e, (int)-got, "read the VM that moves");
	shared_store(&s->live->bytes, s->live->bytes + (uint64_t)got);
	return (uint64_t)got == bytes ? 0 : err_set(e, EPROTO, "the stream is cut");
}

static int read_hashed(struct save_stream *s, void *to, uint64_t bytes, struct err *e)
{
	int rc = read_all(s, (struct iovec[]){{to, bytes}}, 1, bytes, e);

	if (rc == 0)
		save_hash_add(s->live->hash, to, bytes);
	return rc;
}

static int check_batch(const struct save_stream *s, struct err *e)
{
	const struct live_read *l = s->live;
	uint64_t next = l->next;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < l->h.runs; i++) {
		const struct save_run *r = &l->run[i];

		if (r->kind != SAVE_RUN_PAGES && r->kind != SAVE_RUN_ZERO)
			return damaged(e, "it has pages of an unknown kind");
		if (r->pages == 0 || r->gfn < next || r->gfn >= top(&s->h) ||
		    r->pages > top(&s->h) - r->gfn)
			return damaged(e, "it has pages outside of its memory");
		next = r->gfn + r->pages;
		pages += r->kind == SAVE_RUN_PAGES ? r->pages : 0;
	}
	return pages == l->h.n ? 0 : damaged(e, "its numbers of pages differ");
}

static int place(struct xen *x, const struct save_stream *s, uint64_t gfn, uint8_t **at,
		 struct err *e)
{
	const struct dom *d = s->live->d;
	uint64_t first = gfn / LIVE_PIECE * LIVE_PIECE;
	uint64_t end = first + LIVE_PIECE < top(&s->h) ? first + LIVE_PIECE : top(&s->h);
	xen_pfn_t frame[LIVE_PIECE];
	int rc;

	*at = build_mapped(d, gfn);
	if (*at)
		return 0;
	for (uint64_t i = first; i < end; i++)
		frame[i - first] = i;
	rc = live_map(x, &s->live->maps, gfn / LIVE_PIECE, (uint32_t)(end - first), frame, at, e);
	if (rc == 0)
		*at += (gfn - first) * PAGE_BYTES;
	return rc;
}

static int add_page(struct xen *x, struct save_stream *s, uint64_t gfn, uint32_t kind,
		    struct err *e)
{
	struct live_read *l = s->live;
	struct iovec *v = l->pieces ? &l->iov[l->pieces - 1] : NULL;
	uint8_t *at;
	int rc;

	if (!saving_in_rounds(&s->h, gfn))
		return damaged(e, "it has pages that are the toolstack's");
	if (kind == SAVE_RUN_ZERO) /* of a run as long as the memory: */
		live_maps_batch(&l->maps);
	rc = place(x, s, gfn, &at, e);
	if (rc < 0)
		return rc;
	if (kind == SAVE_RUN_ZERO)
		memset(at, 0, PAGE_BYTES); /* memory may come dirty */
	else if (v && (uint8_t *)v->iov_base + v->iov_len == at)
		v->iov_len += PAGE_BYTES;
	else
		l->iov[l->pieces++] = (struct iovec){at, PAGE_BYTES};
	return 0;
}

/* Handles the runs of one kind; zero runs first, because they need no mapping until they are
 * read. */
static int find_places(struct xen *x, struct save_stream *s, uint32_t kind, struct err *e)
{
	const struct live_read *l = s->live;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < l->h.runs; i++) {
		const struct save_run *r = &l->run[i];

		for (uint32_t k = 0; rc == 0 && r->kind == kind && k < r->pages; k++)
			rc = transfer_is_cancelled(s->from) ? err_set(e, ECANCELED, "cancelled")
							    : add_page(x, s, r->gfn + k, kind, e);
	}
	return rc;
}

static int read_pages(struct xen *x, struct save_stream *s, struct err *e)
{
	struct live_read *l = s->live;
	int rc;

	if (l->h.runs == 0 || l->h.runs > SAVE_BATCH_MOST || l->h.n > SAVE_BATCH_MOST)
		return damaged(e, "a batch of pages is too large");
	rc = read_hashed(s, l->run, l->h.runs * sizeof(l->run[0]), e);
	if (rc == 0)
		rc = check_batch(s, e);
	if (rc < 0)
		return rc;
	l->next = l->run[l->h.runs - 1].gfn + l->run[l->h.runs - 1].pages;
	l->pieces = 0;
	rc = find_places(x, s, SAVE_RUN_ZERO, e);
	live_maps_batch(&l->maps);
	if (rc == 0)
		rc = find_places(x, s, SAVE_RUN_PAGES, e);
	if (rc == 0 && l->pieces)
		rc = read_all(s, l->iov, l->pieces, l->h.n * PAGE_BYTES, e);
	l->pages += l->h.n;
	return rc;
}

/* --- a round --- */

static int check_shell(const struct save_stream *s, struct dom *d, struct err *e)
{
	bool fits = d->build && d->type == DOM_PVH && d->pages == s->info.pages &&
		    (s->info.linux_guest ? d->build->for_linux
					 : d->build->direct && d->dev_gfn == s->h.dev_gfn);

	s->live->d = d;
	s->live->maps.domid = d->domid;
	return fits ? 0 : err_set(e, EINVAL, "domain %u is not a shell for this VM", d->domid);
}

static int round_over(struct live_read *l, uint32_t *round, struct err *e)
{
	if (l->h.runs || l->h.n != l->rounds + 1u || l->h.n > SAVE_ROUNDS_MAX)
		return damaged(e, "its rounds are not valid");
	l->rounds++;
	l->next = 0;
	*round = l->rounds;
	return 1;
}

int live_read(struct xen *x, struct save_stream *s, struct dom *d, uint32_t *round, struct err *e)
{
	struct live_read *l = s->live;
	int rc = check_shell(s, d, e);

	while (rc == 0) {
		rc = read_hashed(s, &l->h, sizeof(l->h), e);
		if (rc < 0)
			return rc;
		if (l->h.kind == SAVE_BATCH_ROUND)
			return round_over(l, round, e);
		if (l->h.kind == SAVE_BATCH_LAST)
			return l->h.runs || l->h.n ? damaged(e, "its last part is not valid")
						   : save_read_last(s, e);
		if (l->h.kind != SAVE_BATCH_PAGES)
			return damaged(e, "it has a batch of an unknown kind");
		live_maps_batch(&l->maps);
		rc = read_pages(x, s, e);
	}
	return rc;
}
