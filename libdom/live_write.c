/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a stream from a domain that runs. */
#include "libdom/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/live_maps.h"
#include "libdom/save_linux.h"

/* Xen's dirty bits are read before the pages: a page that is written after that is sent again.
 * So a page that changes while it is sent does no harm, and it is not in the checksum. */

struct live {
	struct saving *s; /* all pages that may be due, and what the stream begins with */
	struct save_stats *st;
	struct live_maps maps;
	uint64_t frames; /* that bits are for */
	uint64_t *due, *taken;
	uint64_t left; /* bits of `due` */
	uint64_t had;  /* pages of the domain at the beginning */
	uint32_t rounds;
};

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

static bool is_due(const struct live *l, uint64_t gfn)
{
	return saving_in_rounds(&l->s->h, gfn) && l->due[gfn / 64] >> gfn % 64 & 1;
}

/* --- the beginning --- */

static int domain_pages(struct xen *x, const struct live *l, uint64_t *pages, struct err *e)
{
	struct xen_domain_info info;
	int rc = xen_domain_info(x, l->s->from->domid, &info);

	if (rc < 0)
		return err_sys(e, -rc, "get the state of domain %u", l->s->from->domid);
	*pages = info.pages;
	return 0;
}

/* All pages except those that the guest has not used. */
static int due_at_first(struct live *l, struct err *e)
{
	const volatile struct noxs_control *c = l->s->from->control;
	uint64_t from = c ? shared_load(&c->untouched_gfn) : 0;
	uint64_t end = c ? shared_load(&c->untouched_end) : 0;
	uint64_t top = l->s->from->linux_guest ? save_linux_top(l->s->from->pages) : l->s->l.pages;

	l->frames = (top + 63) / 64 * 64;
	l->due = calloc(l->frames / 64, sizeof(*l->due));
	l->taken = calloc(l->frames / 64, sizeof(*l->taken));
	if (!l->due || !l->taken)
		return no_memory(e);
	for (uint64_t i = 0; i < l->s->n; i++) {
		uint64_t gfn = l->s->gfn[i];

		if (gfn < l->frames && !(gfn >= from && gfn < end))
			l->due[gfn / 64] |= 1ull << gfn % 64;
	}
	return 0;
}

static int map_page(struct xen *x, struct live *l, uint64_t i, uint8_t **page, struct err *e)
{
	uint64_t first = i / LIVE_PIECE * LIVE_PIECE;
	uint64_t left = l->s->n - first;
	uint32_t n = left < LIVE_PIECE ? (uint32_t)left : LIVE_PIECE;
	xen_pfn_t frame[LIVE_PIECE];
	int rc;

	for (uint32_t k = 0; k < n; k++)
		frame[k] = l->s->gfn[first + k];
	rc = live_map(x, &l->maps, i / LIVE_PIECE, n, frame, page, e);
	if (rc == 0)
		*page += (i - first) * PAGE_BYTES;
	return rc;
}

static int begin_rounds(struct xen *x, struct live *l, uint32_t owner_bytes, struct err *e)
{
	int rc;

	l->s->part = SAVING_FIRST;
	rc = saving_look(l->s, owner_bytes, e);
	l->s->h.flags |= SAVE_FLAG_LIVE;
	if (rc == 0)
		rc = due_at_first(l, e);
	if (rc == 0)
		rc = live_maps_open(&l->maps, l->s->n, e);
	if (rc == 0)
		rc = domain_pages(x, l, &l->had, e);
	return rc;
}

/* A domain with a mapped page keeps its id, so log-dirty mode is not switched on for another
 * domain. */
static int start(struct xen *x, struct live *l, struct err *e)
{
	uint8_t *page;
	int rc = map_page(x, l, 0, &page, e);

	if (rc < 0)
		return rc;
	rc = xen_dirty_start(x, l->s->from->domid);
	if (rc == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP,
			       "Xen cannot tell which pages domain %u writes: use --stop",
			       l->s->from->domid);
	return rc < 0 ? err_sys(e, -rc, "switch on the log-dirty mode of domain %u",
				l->s->from->domid)
		      : 0;
}

int live_begin(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct live **out,
	       struct err *e)
{
	struct live *l = calloc(1, sizeof(*l));
	int rc;

	*out = l;
	if (!l)
		return no_memory(e);
	l->maps.domid = from->domid;
	l->st = st;
	if (from->type != DOM_PVH)
		return err_set(e, EOPNOTSUPP,
			       "PV guests cannot move while they run: Xen cannot tell which pages "
			       "they write");
	l->s = saving_new(x, from, to, st, e);
	rc = l->s ? begin_rounds(x, l, owner_bytes, e) : -ENOMEM;
	if (rc == 0) {
		l->s->hash = save_hash_new();
		rc = l->s->hash ? start(x, l, e) : no_memory(e);
	}
	return rc < 0 ? rc : saving_put_head(l->s, owner, e);
}

/* --- a round --- */

struct batch {
	struct save_batch h;
	struct save_run run[SAVE_BATCH_MOST];
	struct iovec iov[SAVE_BATCH_MOST + 2];
	uint32_t pieces; /* of iov[], from the third on */
};

static int put_batch(struct live *l, struct batch *b, struct err *e)
{
	int rc;

	if (b->h.kind == SAVE_BATCH_PAGES && b->h.runs == 0)
		return 0;
	b->iov[0] = (struct iovec){&b->h, sizeof(b->h)};
	b->iov[1] = (struct iovec){b->run, b->h.runs * sizeof(b->run[0])};
	for (uint32_t i = 0; i < 2; i++)
		save_hash_add(l->s->hash, b->iov[i].iov_base, b->iov[i].iov_len);
	rc = saving_put(l->s, b->iov, 2 + b->pieces, e);
	shared_store(&l->st->done, l->st->done + b->h.n);
	b->h = (struct save_batch){.kind = SAVE_BATCH_PAGES};
	b->pieces = 0;
	live_maps_batch(&l->maps);
	return rc;
}

static void add(struct batch *b, uint64_t gfn, uint8_t *page)
{
	uint32_t kind = saving_is_zero(page) ? SAVE_RUN_ZERO : SAVE_RUN_PAGES;
	struct save_run *r = b->h.runs ? &b->run[b->h.runs - 1] : NULL;
	struct iovec *v = b->pieces ? &b->iov[1 + b->pieces] : NULL;

	if (r && r->kind == kind && r->gfn + r->pages == gfn)
		r->pages++;
	else
		b->run[b->h.runs++] = (struct save_run){gfn, 1, kind};
	if (kind == SAVE_RUN_ZERO)
		return;
	b->h.n++;
	if (v && (uint8_t *)v->iov_base + v->iov_len == page)
		v->iov_len += PAGE_BYTES;
	else
		b->iov[2 + b->pieces++] = (struct iovec){page, PAGE_BYTES};
}

static int put_due(struct xen *x, struct live *l, struct batch *b, uint64_t *pages, struct err *e)
{
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < l->s->n; i++) {
		uint8_t *page;

		if (!is_due(l, l->s->gfn[i]))
			continue;
		rc = map_page(x, l, i, &page, e);
		if (rc < 0)
			return rc;
		add(b, l->s->gfn[i], page);
		*pages += 1;
		if (b->h.runs == SAVE_BATCH_MOST || b->h.n == SAVE_BATCH_MOST)
			rc = put_batch(l, b, e);
	}
	return rc < 0 ? rc : put_batch(l, b, e);
}

static int mark(struct live *l, uint32_t kind, uint64_t n, struct err *e)
{
	struct save_batch b = {.kind = kind, .n = n};

	save_hash_add(l->s->hash, &b, sizeof(b));
	return saving_put(l->s, (struct iovec[]){{&b, sizeof(b)}}, 1, e);
}

int live_round(struct xen *x, struct live *l, struct live_round *r, struct err *e)
{
	uint64_t begin = clock_ns();
	struct batch *b = malloc(sizeof(*b));
	int rc;

	*r = (struct live_round){.number = ++l->rounds};
	if (!b)
		return no_memory(e);
	b->h = (struct save_batch){.kind = SAVE_BATCH_PAGES};
	b->pieces = 0;
	l->s->x = x;
	live_maps_batch(&l->maps);
	rc = put_due(x, l, b, &r->pages, e);
	free(b);
	if (rc == 0)
		rc = mark(l, SAVE_BATCH_ROUND, r->number, e);
	memset(l->due, 0, l->frames / 8);
	r->bytes = l->st->bytes;
	r->ns = clock_ns() - begin;
	return rc;
}

/* --- what the guest has written since --- */

static int take_bits(struct xen *x, struct live *l, bool last, struct err *e)
{
	int rc = xen_dirty_take(x, l->s->from->domid, l->frames, last, l->taken);

	if (rc < 0)
		return err_sys(e, -rc, "read the log-dirty bitmap of domain %u", l->s->from->domid);
	l->left = 0;
	for (uint64_t i = 0; i < l->frames / 64; i++) {
		l->due[i] |= l->taken[i];
		l->left += (uint64_t)__builtin_popcountll(l->due[i]);
	}
	return 0;
}

int live_look(struct xen *x, struct live *l, struct live_round *r, struct err *e)
{
	int rc = take_bits(x, l, false, e);

	if (rc < 0)
		return rc;
	r->left = l->left;
	/* no progress: it writes as fast as it is copied */
	return l->left < LIVE_FEW || l->rounds >= LIVE_ROUNDS ||
	       (l->rounds > 1 && l->left >= r->pages);
}

/* --- it stands still --- */

/* What has no part of its own in the stream: the first part has it. */
static int begin_last(struct saving *s, const struct live *l, struct err *e)
{
	int rc;

	s->part = SAVING_LAST;
	s->first_part = l->s;
	s->due = l->due;
	rc = saving_look(s, 0, e);
	s->h.feature_words = 0;
	if (rc == 0)
		rc = saving_find_zeroes(s, e);
	return rc < 0 ? rc : saving_make_runs(s, e);
}

static int put_last(struct live *l, struct saving *s, struct err *e)
{
	int rc = mark(l, SAVE_BATCH_LAST, 0, e);

	s->hash = l->s->hash;
	l->s->hash = NULL;
	if (rc == 0)
		rc = saving_put_head(s, NULL, e);
	if (rc == 0)
		rc = saving_put_pages(s, e);
	if (rc == 0)
		rc = saving_stood_still(s, e);
	return rc < 0 ? rc : saving_put_end(s, e);
}

int live_end(struct xen *x, struct live *l, struct save_stats *st, struct err *e)
{
	uint64_t sent = l->st->done;
	struct saving *s = saving_new(x, l->s->from, l->s->to, st, e);
	uint64_t has = 0;
	int rc = s ? take_bits(x, l, true, e) : -ENOMEM;

	l->s->x = x;
	if (rc == 0)
		rc = domain_pages(x, l, &has, e);
	if (rc == 0 && has != l->had)
		rc = err_set(e, EBUSY,
			     "domain %u returned memory to Xen, or got more, while it was copied: "
			     "try again, or use --stop",
			     l->s->from->domid);
	if (rc == 0)
		rc = begin_last(s, l, e);
	if (rc == 0)
		rc = put_last(l, s, e);
	if (s)
		st->present = sent + s->h.present;
	saving_end(s);
	return rc;
}

bool live_unmap(struct xen *x, struct live *l)
{
	return live_unmap_one(x, &l->maps);
}

void live_free(struct live *l)
{
	if (!l)
		return;
	saving_end(l->s);
	live_maps_free(&l->maps);
	free(l->due);
	free(l->taken);
	free(l);
}
