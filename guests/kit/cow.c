/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages that are shared with other copies of the guest: at the first write the guest gets its
 * own page (noxs/abi.h, NOXS_CAN_SHARE). For PV with the direct entry. */
#include "kit.h"

#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "dev.h"
#include "hypercall.h"

#define PTE_PRESENT  1ull
#define PTE_WRITABLE 2ull
#define PTE_OWN	     7ull

extern char stack_bottom[], stack_top[];

void kit_can_share(void)
{
	volatile struct noxs_frames *own = kit.control->own;
	uint32_t first = (uint32_t)((uint64_t)stack_bottom / PAGE_SIZE);

	if (kit.entry != KIT_DIRECT || kit.page->vcpus != 1)
		return;
	own[0].gfn = 0; /* before the image: for the copy on its way */
	own[0].pages = 1;
	own[1].gfn = first;
	own[1].pages = (uint32_t)(((uint64_t)stack_top + PAGE_SIZE - 1) / PAGE_SIZE) - first;
	kit.control->can |= NOXS_CAN_SHARE;
}

static void copy_page(uint64_t to, uint64_t from)
{
	uint64_t words = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* Must not write to pages that may be shared: only to the stack and the control page. */
static void crash(const char *why)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_crash};
	uint32_t at = kit.control->out_prod;

	while (*why)
		kit.control->console_out[at++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)*why++;
	__atomic_store_n(&kit.control->out_prod, at, __ATOMIC_RELEASE);
	for (;;)
		(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}

/* Gets an own page for `gfn`; returns its machine frame. */
static xen_pfn_t populate(uint64_t gfn)
{
	xen_pfn_t frame = gfn;
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

	set_xen_guest_handle(r.extent_start, &frame);
	if (hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r) != 1)
		crash("crash: no memory for a page of its own\r\n");
	return frame;
}

static bool is_shared(uint64_t page)
{
	uint64_t gfn = page / PAGE_SIZE;

	return kit.pv && kit.entry == KIT_DIRECT && gfn != 0 && gfn < kit.page->mem_pages &&
	       gfn - kit.page->page_table_gfn >= kit.page->page_table_pages &&
	       (kit_entry_of(page) & (PTE_PRESENT | PTE_WRITABLE)) == PTE_PRESENT;
}

bool kit_make_own(uint64_t page)
{
	uint64_t entry;

	page &= ~(PAGE_SIZE - 1);
	if (!is_shared(page))
		return false;
	copy_page(0, page);
	entry = populate(page / PAGE_SIZE) * PAGE_SIZE | PTE_OWN;
	/* The CPU's translation of the page is the one that was read above. */
	if (hypercall(__HYPERVISOR_update_va_mapping, page, entry, UVMF_INVLPG | UVMF_LOCAL, 0))
		crash("crash: a page of its own cannot be mapped\r\n");
	copy_page(page, 0);
	return true;
}

/* Called by the handler of page faults for writes to a present page: 0 if the page is not
 * shared. */
uint32_t kit_cow(void);
uint32_t kit_cow(void)
{
	uint64_t page = kit.shared->vcpu_info[0].arch.cr2 & ~(PAGE_SIZE - 1);
	uint64_t entry;

	if (kit_make_own(page))
		return 1;
	entry = kit_entry_of(page);
	if (!(entry & PTE_WRITABLE))
		return 0;
	/* The page is its own already: the CPU had an old translation. */
	(void)hypercall(__HYPERVISOR_update_va_mapping, page, entry, UVMF_INVLPG | UVMF_LOCAL, 0);
	return 1;
}
