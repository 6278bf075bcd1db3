/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells for Linux on the fake hypervisor: what takes them, and failing claims that end clean. */
#include "tests/unit/engine/engine_help.h"
#include "tests/unit/engine/kernel_help.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_KIB (32u << 10)

static void fill_pool(enum dom_type type, uint32_t count)
{
	struct pool_flavor f = {.type = type,
				.vcpus = 1,
				.mem_kib = MEM_KIB,
				.for_linux = true,
				.low = count,
				.high = count};
	struct err e = {0};

	if (pool_set(en, &f, &e) < 0)
		fail_msg("%s", e.msg);
}

static void wait_ready(uint32_t n)
{
	until(pool_ready() == n);
}

/* Its kernel is in the cache from then on, and its size known. */
static void cold_first(enum dom_type type)
{
	struct result r = create(linux_guest("first", type, MEM_KIB), 0);

	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_int_equal(r.way, VM_COLD);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
}

static void kernel_is_in_place(struct vm *vm)
{
	uint8_t *at = fake_page(vm_domid(vm), KERNEL_GFN);

	assert_non_null(at);
	assert_memory_equal(at, ELFMAG, SELFMAG);
	(void)munmap(at, 4096);
}

static void linux_takes_its_shells(void **state)
{
	(void)state;
	for (enum dom_type type = DOM_PV; type <= DOM_PVH; type++) {
		struct fake_count n;
		struct result r;

		cold_first(type);
		fill_pool(type, 1);
		wait_ready(1);
		fake_count(&n);
		assert_int_equal(n.domains, 1);
		assert_int_equal(n.mapped_pages, KERNEL_PAGES);
		r = create(guest("noxs", type, MEM_KIB), 0);
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.way, VM_COLD);
		r = create(linux_guest("web", type, MEM_KIB), 0);
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.way, VM_SHELL);
		kernel_is_in_place(r.vm);
		wait_ready(1);
		assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
		assert_int_equal(vm_destroy(engine_find(en, "noxs"), NULL), 0);
		settle(1);
		fake_count(&n);
		assert_int_equal(n.mapped_pages, KERNEL_PAGES);
		fill_pool(type, 0);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* Too little memory is told before anything is loaded, and the shell does not come back. */
static void a_shell_that_is_too_small(void **state)
{
	struct pool_flavor f = {.type = DOM_PV,
				.vcpus = 1,
				.mem_kib = 17u << 10,
				.for_linux = true,
				.low = 1,
				.high = 1};
	struct vm_config c;
	struct result r;

	(void)state;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	wait_ready(1);
	c = linux_guest("web", DOM_PV, MEM_KIB);
	c.mem_kib = f.mem_kib;
	r = create(c, 0);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err.msg, "is too small for image"));
	wait_ready(1);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

static void failing_claims_end_clean(void **state)
{
	(void)state;
	for (enum dom_type type = DOM_PV; type <= DOM_PVH; type++) {
		uint32_t good = 0;

		cold_first(type);
		fill_pool(type, 1);
		for (uint32_t nth = 1; good < 3; nth++) {
			struct fake_count n;
			struct result r;

			assert_true(nth < 100);
			wait_ready(1);
			fake_fail_at(nth, EIO);
			r = create(linux_guest("web", type, MEM_KIB), 0);
			fake_fail_at(0, 0);
			good = r.rc == 0 ? good + 1 : 0;
			if (r.rc == 0)
				assert_int_equal(vm_destroy(r.vm, NULL), 0);
			wait_ready(1);
			settle(1);
			fake_count(&n);
			assert_int_equal(n.domains, 1);
			assert_int_equal(n.ports, 1);
			assert_int_equal(n.mapped_pages, KERNEL_PAGES);
			if (engine_find(en, "web"))
				assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		fill_pool(type, 0);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* Destroyed while the worker loads it. */
static void destroyed_half_way(void **state)
{
	struct vm_config c;

	(void)state;
	cold_first(DOM_PVH);
	fill_pool(DOM_PVH, 1);
	wait_ready(1);
	c = linux_guest("web", DOM_PVH, MEM_KIB);
	engine_create(en, &c, 0, ignore_created, NULL);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	fill_pool(DOM_PVH, 0);
	settle(0);
	only_the_daemon_is_left();
}

/* The engine closes right after a claim: what is still mapped goes with it. */
static void closing_after_a_claim(void **state)
{
	struct engine_conf c = conf();
	struct fake_count n;

	(void)state;
	cold_first(DOM_PVH);
	fill_pool(DOM_PVH, 1);
	wait_ready(1);
	assert_int_equal(create(linux_guest("web", DOM_PVH, MEM_KIB), 0).rc, 0);
	engine_close(en);
	fake_count(&n);
	assert_int_equal(n.mapped_pages, 0);
	assert_int_equal(n.domains, 1); /* it runs on */
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(linux_takes_its_shells),	LIFE(a_shell_that_is_too_small),
		LIFE(failing_claims_end_clean), LIFE(destroyed_half_way),
		LIFE(closing_after_a_claim),
	};

	return cmocka_run_group_tests(tests, make_kernel, remove_kernel);
}
