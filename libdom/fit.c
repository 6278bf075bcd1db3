/* SPDX-License-Identifier: BSD-3-Clause */
/* What fits: images into domains of a type and size, and what may be asked for. */
#include "libdom/build.h"

#include <errno.h>

#define GRANT_FRAMES_MAPPED 2u /* for guests with devices */

uint64_t build_image_end(const struct image *img, enum dom_type type)
{
	uint64_t end = img->elf.end;

	return type == DOM_PV ? end - img->elf.notes.paddr_offset : end;
}

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

int build_check_spec(const struct dom_spec *s, const struct image *img, struct err *e)
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
		return err_set(e, EINVAL, "memory 0 is too small for anything");
	return img ? build_check_image(img, s->type, s->mem_kib, s->vcpus, e) : 0;
}
