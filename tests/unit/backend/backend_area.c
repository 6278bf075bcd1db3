/* SPDX-License-Identifier: BSD-3-Clause */
/* Which sides of a copy are named by grants of our own. */
#include "tests/unit/unit.h"

#include "backend/area.h"

static uint8_t pages[4096 * 3] __attribute__((aligned(4096)));
static uint32_t refs[3] = {70, 80, 90};
static const struct area granted = {pages, 3, refs};

static void from_guest(struct xengnttab_grant_copy_segment *s, void *to, uint16_t len)
{
	*s = (struct xengnttab_grant_copy_segment){.len = len, .flags = GNTCOPY_source_gref};
	s->source.foreign.ref = 7;
	s->source.foreign.offset = 8;
	s->source.foreign.domid = 9;
	s->dest.virt = to;
}

static void either_side_is_named(void **state)
{
	struct xengnttab_grant_copy_segment s[2];

	(void)state;
	from_guest(&s[0], pages + 4096 + 512, 3584);
	s[1] = (struct xengnttab_grant_copy_segment){.len = 1, .flags = GNTCOPY_dest_gref};
	s[1].source.virt = pages + sizeof(pages) - 1;
	s[1].dest.foreign.ref = 5;
	area_name(&granted, s, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(s[i].flags, GNTCOPY_source_gref | GNTCOPY_dest_gref);
	assert_int_equal(s[0].dest.foreign.ref, 80);
	assert_int_equal(s[0].dest.foreign.offset, 512);
	assert_int_equal(s[0].dest.foreign.domid, 0);
	assert_int_equal(s[0].source.foreign.ref, 7); /* the guest's side is its own */
	assert_int_equal(s[0].source.foreign.offset, 8);
	assert_int_equal(s[0].source.foreign.domid, 9);
	assert_int_equal(s[1].source.foreign.ref, 90);
	assert_int_equal(s[1].source.foreign.offset, 4095);
	assert_int_equal(s[1].dest.foreign.ref, 5);
}

static void others_are_left(void **state)
{
	struct xengnttab_grant_copy_segment s[3];
	const struct area plain = {pages, 3, NULL};
	uint8_t elsewhere[16];

	(void)state;
	from_guest(&s[0], pages + 4095, 2); /* lies in two pages */
	from_guest(&s[1], elsewhere, 16);
	from_guest(&s[2], pages + sizeof(pages), 1);
	area_name(&granted, s, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(s[i].flags, GNTCOPY_source_gref);
	assert_ptr_equal(s[0].dest.virt, pages + 4095);
	from_guest(&s[0], pages, 16);
	area_name(&plain, s, 1);
	assert_int_equal(s[0].flags, GNTCOPY_source_gref);
	assert_ptr_equal(s[0].dest.virt, pages);
}

static void without_gntalloc_it_is_memory(void **state)
{
	struct area a;

	(void)state;
	assert_int_equal(area_open(&a, 2), 0);
	for (uint32_t i = 0; i < 2 * 4096; i++)
		assert_int_equal(a.base[i], 0);
	a.base[2 * 4096 - 1] = 1;
	area_close(&a);
	assert_null(a.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_side_is_named),
		cmocka_unit_test(others_are_left),
		cmocka_unit_test(without_gntalloc_it_is_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
