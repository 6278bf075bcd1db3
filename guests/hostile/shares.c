/* SPDX-License-Identifier: BSD-3-Clause */
/* As a copy that shares pages of a template: tries to get at a shared page in every way that Xen
 * has, and says how many were refused. What succeeds hurts nobody else: the test looks. */
#include "kit/kit.h"

#include <xen/grant_table.h>
#include <xen/memory.h>

#include "kit/dev.h"
#include "kit/hypercall.h"

#define PAGES	  12u
#define FRAME	  0xffffffffff000ull
#define READ_ONLY 5ull
#define WRITABLE  7ull

static uint64_t *pages;
static bool copied;
static uint32_t refused, done;

static void on_resume(void)
{
	copied = true;
}

static uint64_t *page(uint32_t i)
{
	return pages + i * (PAGE_SIZE / 8);
}

static uint64_t mfn_of(uint32_t i)
{
	return (kit_entry_of((uint64_t)page(i)) & FRAME) / PAGE_SIZE;
}

/* Of a page that is shared still. */
static void must_fail(const char *what, int64_t rc)
{
	if (rc < 0) {
		refused++;
		return;
	}
	done++;
	kit_print("shares: %s was done\r\n", what);
}

static int64_t map(uint32_t i, uint64_t mfn, uint64_t flags)
{
	return (int64_t)hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)page(i),
				  mfn * PAGE_SIZE | flags, UVMF_INVLPG | UVMF_LOCAL, 0);
}

static int64_t mmu(uint64_t ptr, uint64_t value, uint64_t domains)
{
	struct mmu_update u = {ptr, value};

	return (int64_t)hypercall(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0, domains);
}

static int64_t extended(uint32_t cmd, uint64_t mfn, uint64_t src)
{
	struct mmuext_op op = {.cmd = cmd};

	op.arg1.mfn = mfn;
	op.arg2.src_mfn = src;
	return (int64_t)hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

static int64_t grant_copy(uint64_t mfn, bool into)
{
	struct gnttab_copy c = {.len = 64};
	uint64_t own = kit_frame(page(PAGES - 1));

	c.source.domid = c.dest.domid = DOMID_SELF;
	c.source.u.gmfn = into ? own : mfn;
	c.dest.u.gmfn = into ? mfn : own;
	if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uint64_t)&c, 1, 0))
		return -1;
	return c.status == GNTST_okay ? 0 : -1;
}

static int64_t exchange(uint64_t mfn)
{
	xen_pfn_t in = mfn;
	xen_pfn_t out = 1;
	struct xen_memory_exchange x = {
		.in = {.nr_extents = 1, .domid = DOMID_SELF},
		.out = {.nr_extents = 1, .domid = DOMID_SELF},
	};

	set_xen_guest_handle(x.in.extent_start, &in);
	set_xen_guest_handle(x.out.extent_start, &out);
	return (int64_t)hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &x);
}

static int64_t give_back(uint64_t mfn)
{
	xen_pfn_t frame = mfn;
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

	set_xen_guest_handle(r.extent_start, &frame);
	return (int64_t)hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r) > 0
		       ? 0
		       : -1;
}

static void attack(void)
{
	const uint32_t v = 1;
	const uint32_t tables[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
				   MMUEXT_PIN_L4_TABLE};
	uint64_t shared = mfn_of(v);

	if (kit_entry_of((uint64_t)page(v)) & 2) {
		kit_print("shares: nothing is shared\r\n");
		return;
	}
	must_fail("writable entry", map(v, shared, WRITABLE));
	must_fail("uncached entry", map(v, shared, READ_ONLY | 0x10));
	must_fail("a second entry", map(2, shared, READ_ONLY));
	must_fail("another frame of it", map(2, shared + 1, READ_ONLY));
	for (uint32_t dom = 1; dom < kit.page->domid + 4; dom++) {
		uint64_t at = mfn_of(3) * PAGE_SIZE;

		if (dom != kit.page->domid) {
			must_fail("frames of others", mmu(at, shared << 12 | WRITABLE, dom));
			must_fail("tables of others", mmu(shared << 12, shared << 12 | WRITABLE,
							  (uint64_t)(dom + 1) << 16 | dom));
		}
	}
	must_fail("a write as to a table", mmu(shared << 12, 0x666, DOMID_SELF));
	must_fail("Xen's table of frames", mmu(shared << 12 | 1, 1, DOMID_SELF));
	for (uint32_t i = 0; i < 4; i++)
		must_fail("a page table", extended(tables[i], shared, 0));
	must_fail("clear", extended(MMUEXT_CLEAR_PAGE, shared, 0));
	must_fail("copy into", extended(MMUEXT_COPY_PAGE, shared, kit_frame(page(PAGES - 1))));
	must_fail("grant copy into", grant_copy(shared, true));
	must_fail("exchange", exchange(shared));
	must_fail("give back", give_back(shared));
	/* what it has it may lose */
	(void)map(v, 0, 0);
	must_fail("map again", map(v, shared, READ_ONLY));
	must_fail("map again writable", map(v, shared, WRITABLE));
}

static bool right(uint32_t from)
{
	for (uint32_t i = from; i < PAGES; i++)
		for (uint32_t k = 0; k < PAGE_SIZE / 8; k++)
			if (page(i)[k] != (uint64_t)i * 1000003 + k)
				return false;
	return true;
}

int guest_main(void)
{
	kit_traps();
	pages = kit_pages(PAGES);
	if (!kit.page || !pages)
		return 1;
	for (uint32_t i = 0; i < PAGES; i++)
		for (uint32_t k = 0; k < PAGE_SIZE / 8; k++)
			page(i)[k] = (uint64_t)i * 1000003 + k;
	kit.at_resume = on_resume;
	kit_ready();
	while (!copied)
		kit_wait(1000000000);
	kit_print("shares: pages %s\r\n", right(0) ? "right" : "WRONG");
	attack();
	page(4)[0]++; /* it goes on writing its own */
	page(4)[0]--;
	kit_print("shares: refused %u done %u pages %s\r\n", refused, done,
		  right(2) ? "right" : "WRONG");
	for (;;)
		kit_wait(0);
}
