/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes page tables and hypercall pages into buffers. Sources: AMD64 manual volume 2 chapter 5
 * for the entries; Xen public/arch-x86 for those that may be written. */
#include "libdom/layout.h"

#include <cpuid.h>
#include <string.h>

#include <xen/xen.h>

#define PRESENT	 0x01ull
#define WRITABLE 0x02ull
#define USER	 0x04ull /* PV kernels run in ring 3 */
#define LARGE	 0x80ull
#define ENTRIES	 512u

#define VA_MASK ((1ull << 48) - 1)

#define LAPIC_BASE 0xfee00000ull
#define LARGE_PAGE (2ull << 20)

/* Enters the `count` tables of one level into the level above. `shift`: pages one lower table maps.
 */
static void link_level(uint64_t *upper, uint32_t count, uint64_t first_page, unsigned int shift,
		       const uint64_t *lower_frame)
{
	uint64_t first = first_page >> shift;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t block = first + i;
		uint64_t table = block / ENTRIES - first / ENTRIES;

		upper[table * ENTRIES + block % ENTRIES] =
			lower_frame[i] * PAGE_BYTES | PRESENT | WRITABLE | USER;
	}
}

void tables_fill_pv(uint64_t *t, const struct layout *l, uint64_t virt_base, const uint64_t *frame,
		    uint64_t shared_mfn, const uint64_t *grant_mfn)
{
	uint64_t first = (virt_base & VA_MASK) / PAGE_BYTES;
	const uint64_t *table = frame + l->tables.gfn; /* machine frames of the tables themselves */
	uint32_t at[4];
	uint64_t *l1;
	uint64_t base = first / ENTRIES * ENTRIES;

	memset(t, 0, l->tables.pages * PAGE_BYTES);
	at[0] = 0;
	for (int i = 1; i < 4; i++)
		at[i] = at[i - 1] + l->levels[i - 1];
	link_level(t + (uint64_t)at[0] * ENTRIES, l->levels[1], first, 27, table + at[1]);
	link_level(t + (uint64_t)at[1] * ENTRIES, l->levels[2], first, 18, table + at[2]);
	link_level(t + (uint64_t)at[2] * ENTRIES, l->levels[3], first, 9, table + at[3]);
	l1 = t + (uint64_t)at[3] * ENTRIES + (first - base);
	for (uint64_t i = 0; i < l->mapped; i++)
		l1[i] = frame[i] == LAYOUT_NO_FRAME
				? 0
				: frame[i] * PAGE_BYTES | PRESENT | WRITABLE | USER;
	for (uint64_t i = l->tables.gfn; i < l->tables.gfn + l->tables.pages; i++)
		l1[i] &= ~WRITABLE;
	if (shared_mfn)
		l1[l->shared_gfn] = shared_mfn * PAGE_BYTES | PRESENT | WRITABLE | USER;
	for (uint64_t i = 0; i < l->grants.pages; i++)
		l1[l->grants.gfn + i] = grant_mfn[i] * PAGE_BYTES | PRESENT | WRITABLE | USER;
}

void tables_fill_pvh(uint64_t *t, const struct layout *l)
{
	uint64_t base = l->tables.gfn * PAGE_BYTES;
	uint64_t *l3 = t + ENTRIES;
	uint64_t top = (l->shared_gfn + 1 + LAYOUT_PVH_SLACK) * PAGE_BYTES;
	uint64_t next = 2;

	memset(t, 0, l->tables.pages * PAGE_BYTES);
	t[0] = (base + PAGE_BYTES) | PRESENT | WRITABLE;
	for (uint64_t gib = 0; gib << 30 < top; gib++, next++) {
		uint64_t *l2 = t + next * ENTRIES;

		l3[gib] = (base + next * PAGE_BYTES) | PRESENT | WRITABLE;
		for (uint32_t i = 0; i < ENTRIES && (gib << 30) + i * LARGE_PAGE < top; i++)
			l2[i] = ((gib << 30) + i * LARGE_PAGE) | PRESENT | WRITABLE | LARGE;
	}
	if (l3[3] == 0)
		l3[3] = (base + next * PAGE_BYTES) | PRESENT | WRITABLE;
	t[(l3[3] - base) / sizeof(*t) + (LAPIC_BASE >> 21) % ENTRIES] =
		LAPIC_BASE | PRESENT | WRITABLE | LARGE;
}

/* --- hypercall pages --- */

#define STUB_BYTES 32u
#define STUBS	   (4096u / STUB_BYTES)

static void stub_pv(uint8_t *p, uint32_t n)
{
	static const uint8_t around[] = {
		0x51,		     /* push %rcx */
		0x41, 0x53,	     /* push %r11 */
		0xb8, 0,    0, 0, 0, /* mov $n, %eax */
		0x0f, 0x05,	     /* syscall */
		0x41, 0x5b,	     /* pop %r11 */
		0x59,		     /* pop %rcx */
		0xc3,		     /* ret */
	};
	/* iret never returns: Xen takes the frame from the stack, rax on top of the two others. */
	static const uint8_t iret[] = {
		0x51, 0x41, 0x53, 0x50,	   /* push %rcx, %r11, %rax */
		0xb8, 0,    0,	  0,	0, /* mov $n, %eax */
		0x0f, 0x05,		   /* syscall */
	};

	if (n == __HYPERVISOR_iret) {
		memcpy(p, iret, sizeof(iret));
		memcpy(p + 5, &n, sizeof(n));
	} else {
		memcpy(p, around, sizeof(around));
		memcpy(p + 4, &n, sizeof(n));
	}
}

static void stub_pvh(uint8_t *p, uint32_t n, bool amd)
{
	static const uint8_t call[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3};

	if (n == __HYPERVISOR_iret) { /* means nothing in a hardware container: ud2 */
		p[0] = 0x0f;
		p[1] = 0x0b;
		return;
	}
	memcpy(p, call, sizeof(call));
	memcpy(p + 1, &n, sizeof(n));
	if (!amd)
		p[7] = 0xc1; /* vmcall instead of vmmcall */
}

void hypercall_page_fill(uint8_t *page, enum dom_type type, bool amd)
{
	memset(page, 0xcc, 4096); /* int3 between the stubs */
	for (uint32_t i = 0; i < STUBS; i++) {
		if (type == DOM_PV)
			stub_pv(page + i * STUB_BYTES, i);
		else
			stub_pvh(page + i * STUB_BYTES, i, amd);
	}
}

bool cpu_is_amd(void)
{
	unsigned int a;
	unsigned int b;
	unsigned int c;
	unsigned int d;

	if (!__get_cpuid(0, &a, &b, &c, &d))
		return false;
	return b == signature_AMD_ebx || b == 0x6f677948u; /* "Auth", "Hygo" */
}
