/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads images into guest memory. Its pages may have old contents: on a host that does not scrub
 * at boot, or if another domain returned them while it ran. So all of the image's pages are
 * written, not only the parts in the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdom/build.h"

/* Up to this many zero pages of a segment are mapped together with its contents; more are zeroed
 * in pieces. */
#define ZERO_TOGETHER 16u

/* One segment's part of guest memory, in guest-physical bytes: zeroes up to `at`, its bytes of the
 * file up to `filled`, zeroes again up to `end`. Parts lie side by side or pages apart. */
struct part {
	uint64_t from, at, filled, end;
	const uint8_t *bytes;
	uint64_t mapped; /* the end of what is written through the image's mapping */
	uint32_t first;	 /* in the map: the index of its first page */
};

struct load {
	struct part part[ELF_SEGMENTS_MAX];
	uint32_t n;
	xen_pfn_t *gfn; /* of the mapping, each page once */
	uint32_t pages;
};

static uint64_t page_floor(uint64_t at)
{
	return at / PAGE_BYTES * PAGE_BYTES;
}

static uint64_t page_ceil(uint64_t at)
{
	return page_floor(at + PAGE_BYTES - 1);
}

/* Divides pages between segments that share them. */
static void divide(const struct dom *d, const struct image *img, struct load *l)
{
	uint64_t offset = d->type == DOM_PV ? img->elf.notes.paddr_offset : 0;

	l->n = img->elf.nsegment;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct elf_segment *s = &img->elf.segment[i];
		struct part *p = &l->part[i];

		p->bytes = img->file + s->offset;
		p->at = s->paddr - offset;
		p->filled = p->at + s->filesz;
		p->end = page_ceil(p->at + s->memsz);
		p->from = page_floor(p->at);
		if (i && l->part[i - 1].end > p->from) /* they share a page */
			p->from = l->part[i - 1].end = p->at;
	}
	for (uint32_t i = 0; i < l->n; i++) {
		struct part *p = &l->part[i];

		p->mapped = page_ceil(p->filled) + ZERO_TOGETHER * PAGE_BYTES;
		if (p->mapped > p->end)
			p->mapped = p->end;
	}
}

/* Zeroes whole and partial pages that the image's mapping does not cover. */
static int zero_apart(struct xen *x, const struct dom *d, uint64_t from, uint64_t end,
		      struct err *e)
{
	while (from < end) {
		uint64_t stop = from + BUILD_MAP_MAX * PAGE_BYTES;
		void *at = NULL;
		uint32_t n;
		int rc;

		stop = stop < end ? stop : end;
		n = (uint32_t)((stop - from + PAGE_BYTES - 1) / PAGE_BYTES);
		rc = build_map(x, d, from / PAGE_BYTES, n, &at, e);
		if (rc < 0)
			return rc;
		memset(at, 0, stop - from);
		xen_unmap(x, at, n);
		from = stop;
	}
	return 0;
}

/* Writes a part up to `end`; `to` is where its first byte is mapped. */
static void write_part(const struct part *p, uint64_t end, uint8_t *to)
{
	uint64_t filled = p->filled < end ? p->filled : end;

	memset(to, 0, p->at - p->from);
	memcpy(to + (p->at - p->from), p->bytes, filled - p->at);
	memset(to + (filled - p->from), 0, end - filled);
}

/* --- through a window that is mapped already --- */

static bool in_window(const struct dom *d, const struct load *l, uint64_t stub)
{
	uint64_t end = d->window_pages * PAGE_BYTES;

	if (stub != UINT64_MAX && stub >= end)
		return false;
	for (uint32_t i = 0; i < l->n; i++)
		if (l->part[i].filled > end || l->part[i].from >= end)
			return false;
	return true;
}

static int load_window(struct xen *x, const struct dom *d, const struct load *l, struct err *e)
{
	uint64_t end = d->window_pages * PAGE_BYTES;
	int rc = 0;

	for (uint32_t i = 0; i < l->n && rc == 0; i++) {
		const struct part *p = &l->part[i];

		write_part(p, p->end < end ? p->end : end, d->window + p->from);
		rc = zero_apart(x, d, end, p->end, e);
	}
	return rc;
}

/* --- through a mapping of their own --- */

static int list_pages(struct load *l)
{
	uint64_t room = 1;

	for (uint32_t i = 0; i < l->n; i++)
		room += (l->part[i].mapped - l->part[i].from) / PAGE_BYTES + 2;
	l->gfn = malloc(room * sizeof(*l->gfn));
	if (!l->gfn)
		return -ENOMEM;
	l->pages = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		struct part *p = &l->part[i];
		uint64_t gfn = p->from / PAGE_BYTES;

		if (l->pages && l->gfn[l->pages - 1] == gfn)
			l->pages--;
		p->first = l->pages;
		for (; gfn < page_ceil(p->mapped) / PAGE_BYTES; gfn++)
			l->gfn[l->pages++] = gfn;
	}
	return 0;
}

/* The index of a page in the map, added at its end if need be. */
static uint32_t find_page(struct load *l, uint64_t gfn)
{
	for (uint32_t i = l->pages; i-- > 0;)
		if (l->gfn[i] == gfn)
			return i;
	l->gfn[l->pages] = gfn;
	return l->pages++;
}

static int load_mapped(struct xen *x, const struct dom *d, struct load *l, uint64_t stub,
		       const uint8_t *stub_page, struct err *e)
{
	uint8_t *at = NULL;
	uint32_t page = 0;
	int rc = list_pages(l);

	if (rc < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (stub != UINT64_MAX)
		page = find_page(l, stub / PAGE_BYTES);
	for (uint32_t i = 0; i < l->n && rc == 0; i++)
		rc = zero_apart(x, d, l->part[i].mapped, l->part[i].end, e);
	for (uint32_t i = 0; i < l->pages; i++)
		l->gfn[i] = build_frame(d->build, l->gfn[i]);
	if (rc == 0) {
		rc = xen_map(x, d->domid, true, l->pages, l->gfn, (void **)&at);
		if (rc < 0)
			rc = err_sys(e, -rc, "map %u pages of domain %u for its image", l->pages,
				     d->domid);
	}
	for (uint32_t i = 0; i < l->n && rc == 0; i++)
		write_part(&l->part[i], l->part[i].mapped,
			   at + l->part[i].first * PAGE_BYTES + l->part[i].from % PAGE_BYTES);
	if (rc == 0 && stub != UINT64_MAX)
		memcpy(at + (uint64_t)page * PAGE_BYTES, stub_page, PAGE_BYTES);
	xen_unmap(x, at, l->pages);
	free(l->gfn);
	return rc;
}

int build_load_image(struct xen *x, const struct dom *d, const struct image *img, struct err *e)
{
	const struct elf_notes *notes = &img->elf.notes;
	const uint8_t *stub_page = img->hypercall_page[d->type];
	uint64_t stub = UINT64_MAX;
	struct load l;
	int rc;

	if (notes->have_hypercall_page && (d->type == DOM_PV || d->build->direct))
		stub = notes->hypercall_page - notes->virt_base;
	divide(d, img, &l);
	if (!in_window(d, &l, stub))
		return load_mapped(x, d, &l, stub, stub_page, e);
	rc = load_window(x, d, &l, e);
	if (rc == 0 && stub != UINT64_MAX)
		memcpy(d->window + stub, stub_page, PAGE_BYTES);
	return rc;
}
