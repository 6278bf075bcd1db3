/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VMs that have booted a container takes, of the flavors that the pool has; requests that
 * fail. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/ahead.h"
#include "oci/vm.h"

static const struct chaos_flavor *flavors;
static size_t nflavor;
static int refused; /* by chaosd */

/* --- chaosd --- */

int chaos_open(struct chaos **c, const char *path, struct chaos_error *e)
{
	static int one;

	(void)path;
	(void)e;
	*c = (struct chaos *)(void *)&one;
	return refused;
}

void chaos_close(struct chaos *c)
{
	(void)c;
}

void chaos_request_init(struct chaos_request *rq, enum chaos_op op)
{
	memset(rq, 0, sizeof(*rq));
	rq->op = op;
}

int chaos_call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
	       int (*each)(const struct chaos_reply *r, void *arg), void *arg,
	       struct chaos_error *e)
{
	(void)c;
	(void)e;
	memset(r, 0, sizeof(*r));
	if (rq->op == CHAOS_DETACH) {
		r->last = true;
		r->error = ENOENT;
		return -ENOENT;
	}
	assert_int_equal(rq->op, CHAOS_POOL);
	for (size_t i = 0; i < nflavor; i++) {
		r->has_flavor = true;
		r->flavor = flavors[i];
		if (i + 1 < nflavor) /* the last one is left in the answer */
			assert_int_equal(each(r, arg), 0);
	}
	return 0;
}

/* --- tests --- */

static const char *choose(const char *config, int want, struct err *e)
{
	static char from[136];
	struct bundle b = {.config = json_loads(config, 0, NULL)};

	assert_non_null(b.config);
	memset(e, 0, sizeof(*e));
	assert_int_equal(ahead_find(&b, from, sizeof(from), e), want);
	json_decref(b.config);
	return from;
}

#define CPUS(text) "{\"linux\": {\"resources\": {\"cpu\": {" text "}}}}"

static void test_choice(void **state)
{
	static const struct chaos_flavor some[] = {
		{.type = "pvh", .from = "web", .vcpus = 1, .mem_kib = 10240, .ready = 4},
		{.type = "pvh", .from = "oci-ahead-10", .vcpus = 1, .mem_kib = 10240, .ready = 0},
		{.type = "pvh", .from = "oci-ahead-20", .vcpus = 1, .mem_kib = 20480, .ready = 1},
		{.type = "pvh", .from = "oci-ahead-40", .vcpus = 1, .mem_kib = 40960, .ready = 1},
		{.type = "pvh",
		 .from = "oci-ahead-20-3",
		 .vcpus = 3,
		 .mem_kib = 20480,
		 .ready = 2}};
	struct err e;

	(void)state;
	flavors = some;
	nflavor = sizeof(some) / sizeof(some[0]);
	assert_string_equal(choose("{}", 0, &e), "oci-ahead-20");
	assert_string_equal(
		choose("{\"linux\": {\"resources\": {\"memory\": {\"limit\": 41943040}}}}", 0, &e),
		"oci-ahead-40");
	/* part of a CPU is one; the last of the answer counts as well */
	assert_string_equal(choose(CPUS("\"quota\": 50000"), 0, &e), "oci-ahead-20");
	assert_string_equal(choose(CPUS("\"quota\": 210000, \"period\": 100000"), 0, &e),
			    "oci-ahead-20-3");
	assert_string_equal(choose(CPUS("\"quota\": -1"), 0, &e), "oci-ahead-20");
	/* none waits, none is so large, none has so many, and none is of that type */
	assert_string_equal(
		choose("{\"linux\": {\"resources\": {\"memory\": {\"limit\": 10485760}}}}", -ENOENT,
		       &e),
		"");
	assert_non_null(strstr(err_msg(&e), "of 10 MiB (0: any) and 1 vCPUs"));
	(void)choose(CPUS("\"quota\": 110000"), -ENOENT, &e);
	assert_non_null(strstr(err_msg(&e), "and 2 vCPUs"));
	(void)choose("{\"annotations\": {\"org.chaos.type\": \"pv\"}}", -ENOENT, &e);
	/* what no copy can be given */
	(void)choose("{\"annotations\": {\"org.chaos.memory\": \"20\"}}", -ENOENT, &e);
	assert_non_null(strstr(err_msg(&e), "org.chaos.memory"));
	(void)choose(CPUS("\"cpus\": \"1\""), -ENOENT, &e);
	assert_non_null(strstr(err_msg(&e), "CPUs are named"));
}

static void test_none(void **state)
{
	static const struct chaos_flavor other[] = {
		{.type = "pvh", .from = "web", .vcpus = 1, .ready = 4}};
	static const struct chaos_flavor taken[] = {
		{.type = "pvh", .from = "oci-ahead-20", .vcpus = 1, .mem_kib = 20480, .ready = 0}};
	struct err e;

	(void)state;
	flavors = other;
	nflavor = 1;
	(void)choose("{}", -ENOENT, &e);
	assert_non_null(strstr(err_msg(&e), "chaos-oci ahead"));
	flavors = taken;
	(void)choose("{}", -ENOENT, &e);
	assert_non_null(strstr(err_msg(&e), "now"));
	nflavor = 0;
	(void)choose("{}", -ENOENT, &e);
	refused = -ECONNREFUSED;
	(void)choose("{}", -ENOENT, &e);
	refused = 0;
}

/* That the VM has no such disk is chaosd's word; without a chaosd that is not known. */
static void test_detach(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(vm_detach("uuid", "xvdb", 0, &e), 0);
	refused = -ENOENT;
	assert_int_equal(vm_detach("uuid", "xvdb", 0, &e), -ENOENT);
	refused = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice),
					   cmocka_unit_test(test_none),
					   cmocka_unit_test(test_detach)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
