/* SPDX-License-Identifier: BSD-3-Clause */
/* The layouts: noxs guests have all toolstack pages at the top of memory; standard guests have
 * them after the image, in the order of Xen's start-of-day description. */
#include "libdom/layout.h"

#include <errno.h>

#define VA_BITS		48
#define VA_MASK		((1ull << VA_BITS) - 1)
#define GIB_PAGES	(1ull << 18)
#define ROUND_UP(v, to) (((v) + (to)-1) / (to) * (to))

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* The number of aligned blocks of 2^shift pages that [first, first + pages) touches. */
static uint64_t blocks(uint64_t first, uint64_t pages, unsigned int shift)
{
	return ((first + pages - 1) >> shift) - (first >> shift) + 1;
}

/* PV tables for `pages` pages from `virt` on, by level 4..1; returns their sum. */
static uint32_t pv_tables(uint64_t virt, uint64_t pages, uint32_t levels[4])
{
	uint64_t first = (virt & VA_MASK) / PAGE_BYTES;

	levels[0] = 1;
	levels[1] = (uint32_t)blocks(first, pages, 27);
	levels[2] = (uint32_t)blocks(first, pages, 18);
	levels[3] = (uint32_t)blocks(first, pages, 9);
	return levels[0] + levels[1] + levels[2] + levels[3];
}

static uint64_t pvh_tables(uint64_t pages)
{
	uint64_t gib = (pages + 1 + LAYOUT_PVH_SLACK + GIB_PAGES - 1) / GIB_PAGES;

	/* Level 4, level 3, one level 2 a GiB, and that of the local APIC in the fourth GiB. */
	return 2 + gib + (gib < 4 ? 1 : 0);
}

/* From the top down: page tables, device page, control page, rings. The layout does not depend
 * on the image, so that a shell made without an image can take any. */
static int direct(const struct layout_in *in, struct layout *l, uint64_t *need)
{
	uint64_t top = 2 + in->ring_pages;
	uint64_t tables;

	if (in->type == DOM_PV) {
		tables = pv_tables(in->virt_base, in->pages + 1 + in->grant_frames, l->levels);
		l->mapped = in->pages;
	} else {
		tables = pvh_tables(in->pages);
	}
	top += tables;
	*need = l->image_end_gfn + top;
	if (in->pages < *need)
		return -ENOSPC;
	l->tables = (struct layout_run){in->pages - tables, tables};
	l->dev_gfn = l->tables.gfn - 1;
	l->control_gfn = l->tables.gfn - 2;
	l->rings = (struct layout_run){l->control_gfn - in->ring_pages, in->ring_pages};
	l->shared_gfn = in->pages;
	l->grants = (struct layout_run){in->pages + 1, in->grant_frames};
	return 0;
}

/* Xen public/xen.h, start-of-day memory layout: image, modules, p2m, start_info, store, console,
 * page tables, stack; all mapped, up to the next 4 MiB with at least 512 KiB to spare. */
static int standard_pv(const struct layout_in *in, struct layout *l, uint64_t *need)
{
	uint64_t at = l->image_end_gfn;
	uint64_t tables = 4;

	l->modules = (struct layout_run){at, in->mod_bytes / PAGE_BYTES};
	at += l->modules.pages;
	l->p2m = (struct layout_run){at, pages_of(in->pages * sizeof(uint64_t))};
	at += l->p2m.pages;
	l->start = (struct layout_run){at++, 1};
	l->dev_gfn = at++;
	l->control_gfn = at++;
	for (;;) { /* more tables map more pages, which may take more tables */
		uint64_t end = at + tables + 1;
		uint32_t count;

		l->mapped = ROUND_UP(end + 128, 1024);
		if (l->mapped > in->pages)
			l->mapped = in->pages;
		if (l->mapped < end)
			l->mapped = end;
		count = pv_tables(in->virt_base, l->mapped, l->levels);
		if (count == tables)
			break;
		tables = count;
	}
	l->tables = (struct layout_run){at, tables};
	l->stack = (struct layout_run){at + tables, 1};
	*need = at + tables + 1;
	return in->pages < *need ? -ENOSPC : 0;
}

/* Xen public/arch-x86/hvm/start_info.h: the structure may be anywhere; here it is after the
 * modules. Store and console are outside of RAM. */
static int standard_pvh(const struct layout_in *in, struct layout *l, uint64_t *need)
{
	uint64_t at = l->image_end_gfn;

	l->start = (struct layout_run){at, 1 + pages_of(in->cmdline_bytes)};
	at += l->start.pages;
	l->modules = (struct layout_run){at, in->mod_bytes / PAGE_BYTES};
	at += l->modules.pages;
	l->dev_gfn = LAYOUT_PVH_STORE_GFN;
	l->control_gfn = LAYOUT_PVH_CONSOLE_GFN;
	*need = at;
	return in->pages < *need ? -ENOSPC : 0;
}

int layout_make(const struct layout_in *in, struct layout *out, uint64_t *need, struct err *e)
{
	*out = (struct layout){.pages = in->pages, .image_end_gfn = pages_of(in->image_end)};
	*need = 0;
	if (in->type == DOM_PVH && in->pages > LAYOUT_PVH_MAX_PAGES)
		return err_set(e, EINVAL,
			       "memory %llu MiB: this builder makes PVH guests up to %llu MiB",
			       (unsigned long long)in->pages >> 8, LAYOUT_PVH_MAX_PAGES >> 8);
	if (in->direct && in->mod_bytes)
		return err_set(e, EINVAL, "a guest with a noxs entry takes no modules (ramdisk)");
	if (in->direct)
		return direct(in, out, need);
	return in->type == DOM_PV ? standard_pv(in, out, need) : standard_pvh(in, out, need);
}
