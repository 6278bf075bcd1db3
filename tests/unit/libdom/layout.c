/* SPDX-License-Identifier: BSD-3-Clause */
/* Layouts and page tables: nothing overlaps, everything promised is mapped, and walks agree. */
#include "libdom/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdom/build.h"
#include "tests/unit/unit.h"

#define ENTRY_FRAME(e) (((e)&0xffffffffff000ull) / 4096)

static void direct_fits_from_the_minimum_on(void **state)
{
	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct layout_in in = {
			.type = (enum dom_type)type, .direct = true, .image_end = 0x4000};
		struct layout l;
		uint64_t need = 0;

		in.pages = 1;
		assert_int_equal(layout_make(&in, &l, &need, NULL), -ENOSPC);
		assert_true(need <= (type == DOM_PV ? 17 : 13)); /* what was seen to boot */
		for (in.pages = need; in.pages < 3000; in.pages += 7) {
			assert_int_equal(layout_make(&in, &l, &need, NULL), 0);
			assert_true(l.control_gfn >= 4);
			assert_int_equal(l.dev_gfn, l.control_gfn + 1);
			assert_int_equal(l.tables.gfn, l.dev_gfn + 1);
			assert_int_equal(l.tables.gfn + l.tables.pages, in.pages);
			assert_int_equal(l.shared_gfn, in.pages);
		}
		in.pages = need - 1;
	}
}

static void refuses_what_cannot_be(void **state)
{
	struct layout_in in = {.type = DOM_PVH, .direct = true, .pages = 1ull << 24};
	struct err e = {0};
	struct layout l;
	uint64_t need;

	(void)state;
	assert_int_equal(layout_make(&in, &l, &need, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "3840 MiB"));
	in.pages = 1000;
	in.mod_bytes = 4096;
	assert_int_equal(layout_make(&in, &l, &need, &e), -EINVAL);
}

/* What a CPU would find at a virtual address, out of tables at frames tables.gfn + i. */
static uint64_t walk_pv(const uint64_t *t, const struct layout *l, const uint64_t *frame,
			uint64_t va, uint64_t *flags)
{
	uint64_t at = frame[l->tables.gfn];

	*flags = 7;
	for (int level = 3; level >= 0; level--) {
		uint64_t table = UINT64_MAX;
		uint64_t e;

		for (uint64_t i = 0; i < l->tables.pages; i++)
			if (frame[l->tables.gfn + i] == at)
				table = i;
		assert_int_not_equal(table, UINT64_MAX);
		e = t[table * 512 + ((va >> (12 + 9 * level)) & 511)];
		if (!(e & 1))
			return UINT64_MAX;
		*flags &= e;
		at = ENTRY_FRAME(e);
	}
	return at;
}

static void check_pv(uint64_t virt_base, uint64_t pages, bool is_direct)
{
	struct layout_in in = {.type = DOM_PV,
			       .direct = is_direct,
			       .pages = pages,
			       .virt_base = virt_base,
			       .ring_pages = is_direct && pages % 2 ? 3 : 0,
			       .grant_frames = is_direct && pages % 2 ? 2 : 0,
			       .image_end = 0x5000};
	static const uint64_t grant_mfn[2] = {0x777770, 0x777790};
	uint64_t *frame = calloc(pages, sizeof(*frame));
	uint64_t shared = 0x123456;
	struct layout l;
	uint64_t need;
	uint64_t *t;

	assert_non_null(frame);
	for (uint64_t i = 0; i < pages; i++)
		frame[i] = 0x100000 + i * 3;
	assert_int_equal(layout_make(&in, &l, &need, NULL), 0);
	t = malloc(l.tables.pages * 4096);
	assert_non_null(t);
	tables_fill_pv(t, &l, virt_base, frame, is_direct ? shared : 0, grant_mfn);
	for (uint64_t i = 0; i < l.mapped; i++) {
		bool table = i >= l.tables.gfn && i < l.tables.gfn + l.tables.pages;
		uint64_t flags;

		assert_int_equal(walk_pv(t, &l, frame, virt_base + i * 4096, &flags), frame[i]);
		assert_int_equal(flags & 7,
				 table ? 5 : 7); /* Xen takes tables only when read-only */
	}
	if (is_direct) {
		uint64_t flags;

		assert_int_equal(walk_pv(t, &l, frame, virt_base + pages * 4096, &flags), shared);
		assert_int_equal(l.rings.gfn + l.rings.pages, l.control_gfn);
		assert_int_equal(l.grants.pages, in.grant_frames);
		for (uint64_t i = 0; i < l.grants.pages; i++)
			assert_int_equal(walk_pv(t, &l, frame,
						 virt_base + (l.grants.gfn + i) * 4096, &flags),
					 grant_mfn[i]);
	}
	free(t);
	free(frame);
}

static void pv_tables_walk(void **state)
{
	static const uint64_t bases[] = {0,
					 0x200000,
					 0xffffffff80000000ull,
					 0xffff800000000000ull,
					 0x3fe00000 - 0x3000,
					 0x7ffffff000ull};

	(void)state;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		check_pv(bases[i], 64, true);
		check_pv(bases[i], 511, true);
		check_pv(bases[i], 512, true);
		check_pv(bases[i], 1501, true);
		check_pv(bases[i], 1500, true);
		check_pv(bases[i], 2000, false);
	}
}

static void pvh_tables_walk(void **state)
{
	static const uint64_t sizes[] = {13, 64, 512, 1024, 262144, 600000, 0xf0000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct layout_in in = {
			.type = DOM_PVH, .direct = true, .pages = sizes[i], .image_end = 0x4000};
		struct layout l;
		uint64_t need;
		uint64_t *t;
		uint64_t base;

		assert_int_equal(layout_make(&in, &l, &need, NULL), 0);
		t = malloc(l.tables.pages * 4096);
		assert_non_null(t);
		tables_fill_pvh(t, &l);
		base = l.tables.gfn;
		for (uint64_t at = 0; at < (sizes[i] + 65) * 4096; at += 0x200000) {
			uint64_t l3 = ENTRY_FRAME(t[0]) - base;
			uint64_t l2 = ENTRY_FRAME(t[l3 * 512 + (at >> 30)]) - base;
			uint64_t e = t[l2 * 512 + ((at >> 21) & 511)];

			assert_true(l2 < l.tables.pages);
			assert_int_equal(e, at | 0x83);
		}
		base = ENTRY_FRAME(t[ENTRY_FRAME(t[0]) * 512 - l.tables.gfn * 512 + 3]) -
		       l.tables.gfn;
		assert_int_equal(t[base * 512 + ((0xfee00000ull >> 21) & 511)], 0xfee00083ull);
		free(t);
	}
}

static void hypercall_stubs(void **state)
{
	uint8_t page[4096];

	(void)state;
	hypercall_page_fill(page, DOM_PVH, true);
	assert_memory_equal(page + 17 * 32, "\xb8\x11\0\0\0\x0f\x01\xd9\xc3", 9); /* vmmcall */
	hypercall_page_fill(page, DOM_PVH, false);
	assert_memory_equal(page + 17 * 32, "\xb8\x11\0\0\0\x0f\x01\xc1\xc3", 9); /* vmcall */
	hypercall_page_fill(page, DOM_PV, true);
	assert_memory_equal(page + 17 * 32, "\x51\x41\x53\xb8\x11\0\0\0\x0f\x05\x41\x5b\x59\xc3",
			    14);
	assert_memory_equal(page + 23 * 32, "\x51\x41\x53\x50\xb8\x17\0\0\0\x0f\x05",
			    11); /* iret */
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void acpi_adds_up(void **state)
{
	uint8_t page[4096] = {0};
	uint32_t used = acpi_fill(page, 0xfc000000, DOM_MAX_VCPUS);

	(void)state;
	assert_true(used <= sizeof(page));
	assert_int_equal(sum(page, 20), 0);
	assert_int_equal(sum(page, 36), 0);
	assert_int_equal(sum(page + 64, 52), 0);
	assert_int_equal(sum(page + 128, 268), 0);
	assert_int_equal(sum(page + 400, page[404]), 0);
	assert_memory_equal(page + 400 + 36 + 74, "ADDR", 4);
	assert_int_equal(page[400 + 36 + 82], 0xe0);
	assert_int_equal(page[400 + 36 + 85], 0xfc);
	assert_true(used <= ACPI_GENERATION_AT);
	assert_int_equal(sum(page + 640, used - 640), 0);
	assert_memory_equal(page + 640, "APIC", 4);
	assert_int_equal(page[640 + 44 + 8 * 3 + 3], 6); /* APIC id of vCPU 3 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct_fits_from_the_minimum_on),
		cmocka_unit_test(refuses_what_cannot_be),
		cmocka_unit_test(pv_tables_walk),
		cmocka_unit_test(pvh_tables_walk),
		cmocka_unit_test(hypercall_stubs),
		cmocka_unit_test(acpi_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
