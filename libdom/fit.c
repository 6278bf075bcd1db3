/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that an image fits a domain of a type and size, and that the spec is valid. */
#include "libdom/build.h"

#include <errno.h>
#include <stdlib.h>

#define GRANT_FRAMES_MAPPED 2u /* for guests with devices */

int build_plan(const struct image *img, enum dom_type type, uint64_t pages, uint64_t mod_bytes,
	       uint32_t cmdline_bytes, uint32_t rings, struct layout *l, uint64_t *need,
	       struct err *e)
{
	struct layout_in in = {
		.type = type,
		.direct = !img || img->info.direct,
		.pages = pages,
		.virt_base = img && type == DOM_PV ? img->info.virt_base : 0,
		.image_end = img ? build_image_end(img, type) : 0,
		.mod_bytes = mod_bytes,
		.cmdline_bytes = cmdline_bytes,
		.ring_pages = rings,
		.grant_frames = rings ? GRANT_FRAMES_MAPPED : 0,
	};

	return layout_make(&in, l, need, e);
}

uint64_t image_min_kib(const struct image *img, enum dom_type type, uint32_t vcpus,
		       uint64_t module_bytes)
{
	uint64_t pages = 1;
	uint64_t mods = (module_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

	(void)vcpus;
	if (mods == 0 && img->min_kib[type]) /* each create asks, more than once */
		return img->min_kib[type];
	if (img->info.builder == IMAGE_LINUX) /* loaded where it was linked; room to unpack */
		return (img->elf.end + mods) / 1024 + (8u << 10);
	for (int round = 0; round < 64; round++) { /* bigger guests need bigger tables */
		struct layout l;
		uint64_t need = 0;
		int rc = build_plan(img, type, pages, mods, 1024, 0, &l, &need, NULL);

		if (rc == 0)
			break;
		if (rc != -ENOSPC)
			return 0;
		pages = need;
	}
	return pages * 4;
}

uint32_t image_window_pages(const struct image *img)
{
	uint64_t end = (img->elf.end + PAGE_BYTES - 1) / PAGE_BYTES;

	if (img->info.builder != IMAGE_LINUX || end <= BUILD_LINUX_GFN)
		return 0;
	return end - BUILD_LINUX_GFN < DOM_WINDOW_MAX ? (uint32_t)(end - BUILD_LINUX_GFN)
						      : DOM_WINDOW_MAX;
}

int build_check_image(const struct image *img, enum dom_type type, uint64_t mem_kib, uint32_t vcpus,
		      struct err *e)
{
	uint64_t least = image_min_kib(img, type, vcpus, 0);

	if (!(type == DOM_PV ? img->info.pv : img->info.pvh))
		return err_set(e, EOPNOTSUPP, "image \"%s\" has no %s entry: use type=\"%s\"",
			       img->info.name, type == DOM_PV ? "PV" : "PVH",
			       type == DOM_PV ? "pvh" : "pv");
	if (mem_kib < least)
		return err_set(e, EINVAL,
			       "memory %llu KiB is too small for image \"%s\": it needs %llu KiB",
			       (unsigned long long)mem_kib, img->info.name,
			       (unsigned long long)least);
	return 0;
}

/* Whether there can be such a domain, with this image if it is known. */
static int check_spec(const struct dom_spec *s, const struct image *img, struct err *e)
{
	if (s->ring_pages > DOM_RINGS_MAX)
		return err_set(e, EINVAL, "%u rings of devices: at most %u are possible",
			       s->ring_pages, DOM_RINGS_MAX);
	if (s->ring_pages && s->limits.asked & DOM_LIMIT_GRANT_FRAMES &&
	    s->limits.grant_frames < GRANT_FRAMES_MAPPED)
		return err_set(e, EINVAL,
			       "max_grant_frames %u: a noxs guest with devices needs %u or more",
			       s->limits.grant_frames, GRANT_FRAMES_MAPPED);
	if (s->vcpus < 1 || s->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "vcpus %u: 1 to %d are possible", s->vcpus,
			       DOM_MAX_VCPUS);
	if (img && !img->info.noxs && img->info.builder == IMAGE_OWN && s->type == DOM_PVH &&
	    s->maxmem_kib / 4 > LAYOUT_PVH_MAX_PAGES)
		return err_set(e, EINVAL,
			       "maxmem %llu MiB: PVH guests of such images have up to %llu MiB",
			       (unsigned long long)s->maxmem_kib >> 10, LAYOUT_PVH_MAX_PAGES >> 8);
	if (s->mem_kib == 0)
		return err_set(e, EINVAL, "memory 0 is too small");
	return img ? build_check_image(img, s->type, s->mem_kib, s->vcpus, e) : 0;
}

static int new_build(struct dom *d, const struct dom_spec *s, const struct image *img,
		     struct err *e)
{
	bool for_linux = img ? img->info.builder == IMAGE_LINUX : s->for_linux;
	bool noxs = img ? img->info.noxs : !s->for_linux;
	uint64_t unit = for_linux ? 1024 : 4; /* KiB */
	uint64_t max = noxs || s->maxmem_kib < s->mem_kib ? s->mem_kib : s->maxmem_kib;
	struct dom_build *b = calloc(1, sizeof(*b));

	d->type = s->type;
	d->vcpus = s->vcpus;
	d->pages = (s->mem_kib + unit - 1) / unit * unit / 4;
	d->max_pages = (max + unit - 1) / unit * unit / 4;
	d->build = b;
	if (!b)
		return err_set(e, ENOMEM, "out of memory");
	b->for_linux = for_linux;
	b->noxs = noxs;
	b->direct = img ? img->info.direct : !s->for_linux;
	b->empty = for_linux && s->empty;
	b->fits = img != NULL;
	b->l.pages = d->pages;
	b->virt_base = img && s->type == DOM_PV ? img->info.virt_base : 0;
	if (s->type == DOM_PV) {
		b->frame = malloc(d->pages * sizeof(*b->frame));
		if (!b->frame)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

/* The layout of a noxs guest is complete before any of it exists in Xen. */
static int plan_direct(struct dom *d, const struct image *img, uint32_t rings, struct err *e)
{
	struct layout *l = &d->build->l;
	uint64_t need;
	int rc = build_plan(img, d->type, d->pages, 0, 0, rings, l, &need, e);

	if (rc == -ENOSPC)
		return err_set(e, EINVAL, "memory %llu KiB is too small: %llu KiB are needed",
			       (unsigned long long)d->pages * 4, (unsigned long long)need * 4);
	if (rc < 0)
		return rc;
	d->dev_gfn = l->dev_gfn;
	d->control_gfn = l->control_gfn;
	d->shared_info_gfn = l->shared_gfn;
	d->page_table_gfn = l->tables.gfn;
	d->page_table_pages = l->tables.pages;
	d->image_end_gfn = l->image_end_gfn;
	d->ring_pages = (uint32_t)l->rings.pages;
	d->ring_gfn = l->rings.gfn;
	d->grant_gfn = l->grants.gfn;
	d->grant_frames = (uint32_t)l->grants.pages;
	return 0;
}

int build_begin(struct dom *d, const struct dom_spec *s, const struct image *img, struct err *e)
{
	int rc = check_spec(s, img, e);

	if (rc == 0)
		rc = new_build(d, s, img, e);
	if (rc == 0 && d->build->direct)
		rc = plan_direct(d, img, s->ring_pages, e);
	return rc;
}
