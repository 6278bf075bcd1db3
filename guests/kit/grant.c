/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's grant table, version 1 (Xen public/grant_table.h): one page of it, 512 entries. */
#include "dev.h"

#include <xen/grant_table.h>
#include <xen/memory.h>

#include "hypercall.h"

#define ENTRIES (PAGE_SIZE / sizeof(grant_entry_v1_t))

static volatile grant_entry_v1_t *table;
static uint32_t fresh; /* the first entry that was never used */
static uint32_t freed; /* the first of those given back, a list in `chain`; 0: none */
static uint16_t chain[ENTRIES];
static void
	*room; /* address where the guest maps its table itself: chosen once, for all generations */

static void *table_page(void)
{
	if (!room)
		room = kit_pages(1); /* its address is wanted */
	return room;
}

static volatile grant_entry_v1_t *map_pv(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
	void *at = table_page();

	set_xen_guest_handle(setup.frame_list, &frame);
	if (!at ||
	    hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uint64_t)&setup, 1, 0) ||
	    setup.status != GNTST_okay)
		return NULL;
	return hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)at, frame * PAGE_SIZE | 7,
			 UVMF_INVLPG, 0) == 0
		       ? at
		       : NULL;
}

static volatile grant_entry_v1_t *map_pvh(void)
{
	struct xen_add_to_physmap place = {
		.domid = DOMID_SELF,
		.space = XENMAPSPACE_grant_table,
	};

	/* With the direct entry the frames after shared info are mapped and empty. */
	if (kit.entry == KIT_DIRECT)
		place.gpfn = kit.page->shared_info_gfn + 1;
	else
		place.gpfn = (xen_pfn_t)table_page() / PAGE_SIZE;
	if (!place.gpfn || hypercall2(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &place))
		return NULL;
	return (volatile grant_entry_v1_t *)(place.gpfn * PAGE_SIZE);
}

static bool have_table(void)
{
	if (table)
		return true;
	if (kit.page && kit.page->grant_frames)
		table = (volatile grant_entry_v1_t *)(kit.page->grant_gfn * PAGE_SIZE);
	else
		table = kit.pv ? map_pv() : map_pvh();
	fresh = kit.page ? kit.page->grant_first : 0;
	if (!fresh)
		fresh = NOXS_GRANT_FIRST;
	return table;
}

uint32_t kit_grant(domid_t to, const void *page, bool readonly)
{
	uint32_t gref = freed;

	if (!have_table() || (!gref && fresh >= ENTRIES))
		return 0;
	if (gref)
		freed = chain[gref];
	else
		gref = fresh++;
	table[gref].domid = to;
	table[gref].frame = (uint32_t)kit_frame(page);
	__atomic_store_n(&table[gref].flags,
			 (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0)),
			 __ATOMIC_RELEASE);
	return gref;
}

bool kit_ungrant(uint32_t gref)
{
	uint16_t flags = table[gref].flags;

	do {
		if (flags & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&table[gref].flags, &flags, 0, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	chain[gref] = (uint16_t)freed;
	freed = gref;
	return true;
}

void kit_grants_renew(void)
{
	table = NULL;
	fresh = 0;
	freed = 0;
}

void kit_grant_overwrite(uint32_t gref, uint16_t flags)
{
	__atomic_store_n(&table[gref].flags, flags, __ATOMIC_SEQ_CST);
}
