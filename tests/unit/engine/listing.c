/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists in pieces, while VMs come and go. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xen.h"

#define MANY 40u

/* How often each was told: living ones "v0".., a foreign one is 100. */
static uint32_t told[MANY + 10];
static uint32_t all;

static void count_vm(const struct vm_info *i, void *arg)
{
	(void)arg;
	assert_int_equal(i->name[0], 'v');
	told[strtoul(i->name + 1, NULL, 10)]++;
	all++;
}

static void count_foreign(const struct xen_domain_info *i, const char *name, void *arg)
{
	(void)name;
	(void)arg;
	assert_int_equal(i->domid, 7);
	all += 100;
}

static struct listing *begin(bool foreign)
{
	struct listing *l;

	memset(told, 0, sizeof(told));
	all = 0;
	assert_int_equal(listing_open(en, true, foreign, &l, NULL), 0);
	return l;
}

/* To its end, or so many pieces. */
static int go_on(struct listing *l, uint32_t most, uint32_t pieces)
{
	int rc = 1;

	while (rc > 0 && pieces--) {
		uint32_t before = all % 100;

		rc = listing_more(l, most, count_vm, count_foreign, NULL, NULL);
		assert_true(all % 100 - before <= most);
	}
	return rc;
}

static void create_some(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "v%u", i);
		assert_int_equal(create(guest(name, DOM_PV, 256), 0).rc, 0);
	}
}

static void destroy(const char *name)
{
	assert_int_equal(vm_destroy(engine_find(en, name), NULL), 0);
}

static void asks_xen_once(void **state)
{
	struct xen_domain_config other = {.domid = 7, .max_vcpus = 1};
	struct listing *l;
	struct xen *x;
	uint32_t id;

	(void)state;
	assert_int_equal(xen_open(&x, NULL), 0);
	assert_int_equal(xen_domain_create(x, &other, &id), 0);
	xen_close(x);
	create_some(0, MANY);
	fake_fail_at(0, 0);
	l = begin(true);
	assert_int_equal(go_on(l, 1000, 1), 0);
	listing_close(l);
	assert_int_equal(all, MANY + 100);
	assert_int_equal(fake_calls(), 1);
	fake_fail_at(1, EIO);
	l = begin(true);
	assert_int_equal(go_on(l, 1000, 1), -EIO);
	listing_close(l);
	fake_fail_at(0, 0);
	l = begin(true); /* in pieces of any size it is the same */
	assert_int_equal(go_on(l, 1, 1000), 0);
	listing_close(l);
	assert_int_equal(all, MANY + 100);
}

static void nobody_is_told_twice(void **state)
{
	struct listing *l;

	(void)state;
	create_some(0, MANY);
	destroy("v0"); /* history, from the beginning */
	l = begin(false);
	while (all < 10) /* v1 to v10 */
		assert_int_equal(go_on(l, 1, 1), 1);
	destroy("v5");	/* was told: not again as ended */
	destroy("v11"); /* the next one */
	destroy("v12");
	destroy("v20");
	destroy("v39");	      /* the last one */
	create_some(MANY, 2); /* come too late */
	assert_int_equal(go_on(l, 3, 1000), 0);
	listing_close(l);
	for (uint32_t i = 0; i < MANY + 2; i++)
		assert_int_equal(told[i], i == 11 || i == 12 || i == 20 || i >= 39 ? 0 : 1);
}

/* The next one of the history is forgotten; all go at once; several lists at a time. */
static void lists_outlive_their_vms(void **state)
{
	struct listing *l[3];

	(void)state;
	create_some(0, 6);
	for (int i = 0; i < 4; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "v%d", i);
		destroy(name);
	}
	settle(2);
	for (int i = 0; i < 3; i++) {
		l[i] = begin(false);
		while (all < 2u + (uint32_t)i) /* v4 and v5, then v3 and so on */
			assert_int_equal(go_on(l[i], 1, 1), 1);
	}
	assert_int_equal(vm_rm(engine_find(en, "v3"), NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "v2"), NULL), 0);
	for (int i = 0; i < 3; i++) {
		all = 0;
		assert_int_equal(go_on(l[i], 2, 1000), 0);
		assert_int_equal(all, 2); /* v1 and v0 */
	}
	for (int i = 0; i < 3; i++)
		listing_close(l[i]);
	l[0] = begin(false);
	while (all < 1)
		assert_int_equal(go_on(l[0], 1, 1), 1);
	destroy("v4");
	destroy("v5");
	settle(0);
	for (int i = 0; i < 6; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "v%d", i);
		if (engine_find(en, name))
			assert_int_equal(vm_rm(engine_find(en, name), NULL), 0);
	}
	all = 0;
	assert_int_equal(go_on(l[0], 1, 1000), 0);
	assert_int_equal(all, 0);
	listing_close(l[0]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asks_xen_once),
		TEST(nobody_is_told_twice),
		TEST(lists_outlive_their_vms),
	};

	return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
