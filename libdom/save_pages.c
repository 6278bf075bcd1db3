/* SPDX-License-Identifier: BSD-3-Clause */
/* Chooses the pages of a domain for a stream: not those that the guest never used, that are
 * zero, or that the toolstack writes. Converts page tables of PV guests. */
#include "libdom/save_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/live_maps.h"

#define AT_ONCE 65536u /* pages that are mapped at a time */

/* Page tables are copied before they are written, so a guest must not be able to make all of its
 * memory page tables. The limit is four times the number that maps all of it, plus some. */
#define PAGES_PER_TABLE 128u
#define TABLES_BESIDE	64u

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

/* --- which pages --- */

/* Frames that the guest says it never used; frames from the rings on belong to the toolstack. */
static struct layout_run untouched(const struct saving *s)
{
	const volatile struct noxs_control *c = s->from->control;
	uint64_t from = shared_load(&c->untouched_gfn);
	uint64_t end = shared_load(&c->untouched_end);
	struct layout_run r = {0, 0};

	if (end > s->l.rings.gfn)
		end = s->l.rings.gfn;
	if (from < end)
		r = (struct layout_run){from, end - from};
	return r;
}

static bool in_run(const struct layout_run *r, uint64_t gfn)
{
	return gfn - r->gfn < r->pages;
}

int saving_choose_due(struct saving *s, struct err *e)
{
	const struct saving *all = s->first_part;

	s->gfn = malloc((all->n + 1) * sizeof(*s->gfn));
	s->kind = malloc(all->n + 1);
	if (!s->gfn || !s->kind)
		return no_memory(e);
	for (uint64_t i = 0; i < all->n; i++) {
		uint64_t gfn = all->gfn[i];

		if (saving_in_rounds(&s->h, gfn) && !(s->due[gfn / 64] >> gfn % 64 & 1))
			continue;
		s->kind[s->n] = SAVE_RUN_PAGES;
		s->gfn[s->n++] = gfn;
	}
	s->st->pages = s->from->pages;
	return 0;
}

int saving_choose_pages(struct saving *s, struct err *e)
{
	struct layout_run skip = untouched(s);

	if (s->part == SAVING_LAST)
		return saving_choose_due(s, e);
	if (s->part == SAVING_FIRST) /* it may use them before the end */
		skip.pages = 0;
	s->gfn = malloc(s->l.pages * sizeof(*s->gfn));
	s->kind = malloc(s->l.pages);
	if (!s->gfn || !s->kind)
		return no_memory(e);
	for (uint64_t gfn = 0; gfn < s->l.pages; gfn++) {
		if (skip.pages && gfn == skip.gfn)
			gfn += skip.pages;
		if (gfn == s->l.dev_gfn || in_run(&s->l.rings, gfn))
			continue;
		s->kind[s->n] = SAVE_RUN_PAGES;
		s->gfn[s->n++] = gfn;
	}
	s->st->pages = s->l.pages;
	s->st->untouched = skip.pages;
	if (s->from->most && s->n > s->from->most)
		return err_set(e, EFBIG, "it has touched %llu pages: more than %llu",
			       (unsigned long long)s->n, (unsigned long long)s->from->most);
	return 0;
}

/* --- their mapping --- */

static int examine_piece(struct saving *s, uint64_t index, struct err *e)
{
	uint64_t first = index / LIVE_PIECE * LIVE_PIECE;
	uint32_t n = s->n - first < LIVE_PIECE ? (uint32_t)(s->n - first) : LIVE_PIECE;
	xen_pfn_t frame[LIVE_PIECE];
	int rc;

	for (uint32_t i = 0; i < n; i++)
		frame[i] = s->gfn[first + i];
	live_maps_batch(s->maps);
	rc = live_map(s->x, s->maps, first / LIVE_PIECE, n, frame, &s->map, e);
	s->first = first;
	s->mapped = rc < 0 ? 0 : n;
	return rc;
}

int saving_look_at(struct saving *s, uint64_t index, struct err *e)
{
	xen_pfn_t *frame;
	uint32_t n = s->n - index < AT_ONCE ? (uint32_t)(s->n - index) : AT_ONCE;
	int rc;

	if (s->map && index >= s->first && index - s->first < s->mapped)
		return 0;
	if (s->to && transfer_is_cancelled(s->to))
		return err_set(e, ECANCELED, "cancelled");
	if (s->maps)
		return examine_piece(s, index, e);
	xen_unmap(s->x, s->map, s->mapped);
	s->map = NULL;
	frame = malloc(n * sizeof(*frame));
	if (!frame)
		return no_memory(e);
	for (uint32_t i = 0; i < n; i++)
		frame[i] = s->pv.frame ? s->pv.frame[s->gfn[index + i]] : s->gfn[index + i];
	rc = xen_map(s->x, s->from->domid, false, n, frame, (void **)&s->map);
	free(frame);
	if (rc < 0)
		return err_sys(e, -rc, "map %u pages of domain %u", n, s->from->domid);
	s->first = index;
	s->mapped = n;
	return 0;
}

/* Stops at the first block that is not. */
bool saving_is_zero(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)(const void *)page;

	for (uint32_t i = 0; i < PAGE_BYTES / sizeof(*w); i += 8)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] |
		    w[i + 7])
			return false;
	return true;
}

int saving_find_zeroes(struct saving *s, struct err *e)
{
	for (uint64_t i = 0; i < s->n; i++) {
		int rc = saving_look_at(s, i, e);

		if (rc < 0)
			return rc;
		if (s->kind[i] == SAVE_RUN_PAGES && s->gfn[i] != s->h.control_gfn &&
		    saving_is_zero(saving_page_at(s, i))) {
			s->kind[i] = SAVE_RUN_ZERO;
			s->st->zero++;
		}
	}
	return 0;
}

/* --- page tables of PV --- */

static int find_tables(struct saving *s, struct err *e)
{
	xen_pfn_t *type = malloc(s->n * sizeof(*type));
	int rc;

	if (!type)
		return no_memory(e);
	for (uint64_t i = 0; i < s->n; i++)
		type[i] = s->pv.frame[s->gfn[i]];
	rc = xen_page_types(s->x, s->from->domid, (uint32_t)s->n, type);
	for (uint64_t i = 0; rc == 0 && i < s->n; i++) {
		uint32_t level =
			(type[i] & XEN_DOMCTL_PFINFO_LTABTYPE_MASK) >> XEN_DOMCTL_PFINFO_LTAB_SHIFT;

		if (level < 1 || level > 4)
			continue;
		s->kind[i] = (uint8_t)(SAVE_RUN_L1 + level - 1);
		s->ntables++;
	}
	free(type);
	return rc < 0 ? err_sys(e, -rc, "find the page tables of domain %u", s->from->domid) : 0;
}

static int convert_tables(struct saving *s, struct err *e)
{
	uint64_t most = s->l.pages / PAGES_PER_TABLE + TABLES_BESIDE;
	uint32_t done = 0;
	int rc = 0;

	if (s->ntables > most)
		return err_set(e, EOPNOTSUPP,
			       "%u of its pages are page tables, of which a save "
			       "takes at most %llu",
			       s->ntables, (unsigned long long)most);
	s->tables = malloc(s->ntables * PAGE_BYTES + 1);
	if (!s->tables)
		return no_memory(e);
	for (uint64_t i = 0; rc == 0 && i < s->n; i++) {
		uint8_t *to = s->tables + done * PAGE_BYTES;

		if (!save_is_table(s->kind[i]))
			continue;
		rc = saving_look_at(s, i, e);
		if (rc < 0)
			break;
		memcpy(to, saving_page_at(s, i), PAGE_BYTES);
		rc = save_pv_table_out(&s->pv, (uint64_t *)(void *)to, s->kind[i] - SAVE_RUN_L1 + 1,
				       e);
		done++;
	}
	return rc;
}

/* The guest uses only the page tables of the builder. */
static bool are_builders(const struct saving *s)
{
	uint32_t found = 0;

	if (!s->cpus.simple || s->cpus.cr3[0] != s->pv.frame[s->l.tables.gfn] ||
	    s->ntables != s->l.tables.pages)
		return false;
	for (uint64_t i = 0; i < s->n; i++)
		found += save_is_table(s->kind[i]) && in_run(&s->l.tables, s->gfn[i]);
	return found == s->ntables;
}

/* The page tables are those that the builder will make in the shell: the guest has not changed
 * them. */
static bool has_own_tables(const struct saving *s)
{
	return are_builders(s) &&
	       save_pv_own_tables(&s->l, (const uint64_t *)(const void *)s->tables);
}

static void leave_tables_out(struct saving *s)
{
	s->h.flags |= SAVE_FLAG_OWN_TABLES;
	for (uint64_t i = 0; i < s->n; i++)
		if (in_run(&s->l.tables, s->gfn[i]))
			s->kind[i] = SAVING_LEFT_OUT;
	s->ntables = 0;
}

/* Mapped side by side; NULL: they are not. */
static const uint64_t *map_builders(struct saving *s, struct err *e)
{
	uint64_t i = 0;

	while (i < s->n && s->gfn[i] != s->l.tables.gfn)
		i++;
	/* Maps them together with the other pages if possible, which are examined next. */
	if (i == s->n || saving_look_at(s, s->n <= AT_ONCE ? 0 : i, e) < 0 ||
	    s->first + s->mapped - i < s->l.tables.pages)
		return NULL;
	return (const uint64_t *)(const void *)saving_page_at(s, i);
}

bool saving_pv_kept(struct saving *s)
{
	struct err e = {0}; /* the walk will find what prevented it */
	const uint64_t *tables = NULL;

	if (save_pv_noted(&s->pv, &s->from->frames) && s->cpus.simple &&
	    s->cpus.cr3[0] == s->pv.frame[s->l.tables.gfn])
		tables = map_builders(s, &e);
	/* Its vCPUs use these tables, so that their entries are valid: every other page of its
	 * memory is mapped by them, writable, and so is not a table. */
	if (tables && save_pv_kept(&s->pv, tables) && save_cpus_out(&s->pv, &s->cpus, &e) == 0) {
		leave_tables_out(s);
		return true;
	}
	xen_unmap(s->x, s->map, s->mapped);
	s->map = NULL;
	s->mapped = 0;
	memset(s->kind, SAVE_RUN_PAGES, s->n);
	s->ntables = 0;
	return false;
}

int saving_pv_pages(struct saving *s, struct err *e)
{
	int rc = find_tables(s, e);

	if (rc == 0)
		rc = convert_tables(s, e);
	if (rc == 0)
		rc = save_cpus_out(&s->pv, &s->cpus, e);
	if (rc == 0 && has_own_tables(s))
		leave_tables_out(s);
	return rc;
}

/* --- runs --- */

static bool joins(const struct save_run *r, uint64_t gfn, uint32_t kind)
{
	return r->kind == kind && r->gfn + r->pages == gfn && r->pages < UINT32_MAX;
}

/* -ENOSPC: more than a stream may have. */
static int list_runs(struct saving *s)
{
	s->h.runs = 0;
	s->h.present = 0;
	for (uint64_t i = 0; i < s->n; i++) {
		struct save_run *last = s->h.runs ? &s->run[s->h.runs - 1] : NULL;

		if (s->kind[i] == SAVING_LEFT_OUT)
			continue;
		s->h.present += s->kind[i] != SAVE_RUN_ZERO;
		if (last && joins(last, s->gfn[i], s->kind[i])) {
			last->pages++;
			continue;
		}
		if (s->h.runs == SAVE_RUNS_MAX)
			return -ENOSPC;
		s->run[s->h.runs++] = (struct save_run){s->gfn[i], 1, s->kind[i]};
	}
	return 0;
}

int saving_make_runs(struct saving *s, struct err *e)
{
	s->run = malloc((s->n < SAVE_RUNS_MAX ? s->n : SAVE_RUNS_MAX) * sizeof(*s->run));
	if (!s->run)
		return no_memory(e);
	if (list_runs(s) == 0)
		return 0;
	for (uint64_t i = 0; i < s->n; i++) /* zero pages are carried, too: the gaps go */
		if (s->kind[i] == SAVE_RUN_ZERO)
			s->kind[i] = SAVE_RUN_PAGES;
	s->st->zero = 0;
	return list_runs(s) == 0 ? 0 : err_set(e, EOPNOTSUPP, "its page tables are too scattered");
}
