/* SPDX-License-Identifier: BSD-3-Clause */
/* Free memory: allocates pages one after the other, and finds the frame of an address. */
#include "dev.h"

#include <xen/memory.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "hypercall.h"

/* Standard entries: after the data that entry.S and start.c place at 2 MiB. */
#define STANDARD_FROM 0x206000ull
#define E820_RAM      1u

#define PTE_PRESENT  1ull
#define PTE_WRITABLE 2ull
#define PTE_FRAME    0xffffffffff000ull

static uint64_t next, end; /* guest-physical bytes; kit VIRT_BASE is 0 */

static uint64_t least(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* noxs/abi.h, image_end_gfn: what is free in a guest with the direct entry. */
static void by_device_page(volatile struct noxs_page *page)
{
	uint64_t to = least((uint64_t)page / PAGE_SIZE, page->control_gfn);
	uint32_t ndev = page->ndev;

	to = least(to, page->page_table_gfn);
	for (uint32_t i = 0; i < ndev && i < NOXS_MAX_DEVICES; i++) {
		if (page->dev[i].type == NOXS_DEV_NONE)
			continue;
		to = least(to, page->dev[i].ring[0].gfn);
		to = least(to, page->dev[i].ring[1].gfn);
	}
	next = page->image_end_gfn * PAGE_SIZE;
	end = to * PAGE_SIZE;
	kit.control->untouched_gfn = next / PAGE_SIZE;
	kit.control->untouched_end = end / PAGE_SIZE;
}

/* Written before the frame is used, so that the value in the page is never too small. */
static void tell_touched(void)
{
	if (kit.entry == KIT_DIRECT)
		__atomic_store_n(&kit.control->untouched_gfn, next / PAGE_SIZE, __ATOMIC_SEQ_CST);
}

/* Xen public/xen.h: behind the boot stack, as far as the toolstack's tables map (a page that they
 * do not map writable is passed over). */
static void by_start_info(const struct start_info *info)
{
	uint64_t tables = info->pt_base + (info->nr_pt_frames + 1) * PAGE_SIZE;

	next = tables > STANDARD_FROM ? tables : STANDARD_FROM;
	end = info->nr_pages * PAGE_SIZE;
}

static void by_hvm_start_info(const struct hvm_start_info *info)
{
	const struct hvm_memmap_table_entry *map = (const void *)info->memmap_paddr;
	uint32_t n = info->version ? info->memmap_entries : 0;

	next = STANDARD_FROM;
	for (uint32_t i = 0; i < n; i++)
		if (map[i].type == E820_RAM && map[i].addr <= next &&
		    map[i].addr + map[i].size > next)
			end = map[i].addr + map[i].size;
	if (end > 1ull << 30) /* what entry.S maps */
		end = 1ull << 30;
}

void kit_pages_find(void)
{
	if (end)
		return;
	if (kit.entry == KIT_DIRECT)
		by_device_page(kit.page);
	else if (kit.entry == KIT_START_INFO)
		by_start_info(kit.info);
	else
		by_hvm_start_info(kit.info);
}

/* PV: page tables are mapped like all memory, and Xen has a table from machine frames to guest
 * frames. */
uint64_t kit_entry_of(uint64_t va)
{
	const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
	uint64_t entry;

	__asm__ volatile("mov %%cr3, %0" : "=r"(entry));
	for (int shift = 39; shift >= 12; shift -= 9) {
		const uint64_t *table = (const uint64_t *)(m2p[(entry & PTE_FRAME) >> 12] << 12);

		entry = table[va >> shift & 511];
		if (!(entry & PTE_PRESENT))
			return 0;
	}
	return entry;
}

static uint64_t walk(uint64_t va)
{
	uint64_t entry = kit_entry_of(va);

	return entry & PTE_WRITABLE ? (entry & PTE_FRAME) >> 12 : 0;
}

uint64_t kit_frame(const void *at)
{
	uint64_t frame;

	if (!kit.pv)
		return (uint64_t)at / PAGE_SIZE;
	frame = walk((uint64_t)at);
	if (frame == 0 && kit_make_own((uint64_t)at)) /* before another guest writes to it */
		frame = walk((uint64_t)at);
	return frame;
}

void *kit_pages(uint32_t n)
{
	uint64_t at;
	uint32_t have = 0;

	kit_pages_find();
	at = next;
	while (have < n) {
		uint64_t page = at + have * PAGE_SIZE;

		if (page >= end)
			return NULL;
		if (kit.pv && kit.entry != KIT_DIRECT && !walk(page)) {
			at = page + PAGE_SIZE;
			have = 0;
		} else {
			have++;
		}
	}
	next = at + n * PAGE_SIZE;
	tell_touched();
	if (kit.entry != KIT_DIRECT) /* other toolstacks give no guarantee */
		memset((void *)at, 0, n * PAGE_SIZE);
	return (void *)at;
}

uint32_t kit_pages_left(void)
{
	kit_pages_find();
	return end > next ? (uint32_t)((end - next) / PAGE_SIZE) : 0;
}
