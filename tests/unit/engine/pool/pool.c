/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool on the fake hypervisor: claims, refills, and failing claims that end clean. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fill_pool(enum dom_type type, const char *image, uint32_t count)
{
	struct pool_flavor f = {
		.type = type, .vcpus = 1, .mem_kib = 4096, .low = count, .high = count};
	struct err e = {0};

	f.image = image ? strdup(image) : NULL;
	if (pool_set(en, &f, &e) < 0)
		fail_msg("%s", e.msg);
	free(f.image);
}

static void wait_ready(uint32_t n)
{
	until(pool_ready() == n);
}

static void pool_is_claimed_and_refilled(void **state)
{
	struct fake_count n;
	struct result r;

	(void)state;
	fill_pool(DOM_PV, GUEST_NOOP, 2);
	wait_ready(2);
	fake_count(&n);
	assert_int_equal(n.domains, 2);
	r = create(guest("one", DOM_PV, 4096), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(pool_ready(), 1);
	assert_ptr_equal(engine_find_uuid(en, (const uint8_t[16]){0}), NULL);
	wait_ready(2);
	r = create(guest("other", DOM_PVH, 4096), 0); /* another type: cold */
	assert_int_equal(r.rc, 0);
	assert_int_equal(pool_ready(), 2);
	assert_int_equal(vm_destroy(engine_find(en, "one"), NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "other"), NULL), 0);
	settle(2);
	fill_pool(DOM_PV, GUEST_NOOP, 0);
	settle(0);
	only_the_daemon_is_left();
}

static void learn_target(const struct pool_flavor *f, void *arg)
{
	*(uint32_t *)arg = f->target;
}

static void a_burst_raises_the_target(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 4096, .low = 1, .high = 4};
	uint32_t target = 0;
	struct err e = {0};

	(void)state;
	assert_int_equal(pool_set(en, &f, &e), 0);
	wait_ready(1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(create(guest(names[i], DOM_PV, 4096), 0).rc, 0);
	pool_for_each(en, learn_target, &target);
	assert_int_equal(target, 3);
	wait_ready(3);
	for (int i = 0; i < 20; i++) /* ... and is seen to be full */
		tick();
	for (int i = 3; i < 6; i++) /* another burst begins at none */
		assert_int_equal(create(guest(names[i], DOM_PV, 4096), 0).rc, 0);
	pool_for_each(en, learn_target, &target);
	assert_int_equal(target, 3);
	for (int i = 0; i < 6; i++)
		assert_int_equal(vm_destroy(engine_find(en, names[i]), NULL), 0);
	f.low = 5;
	assert_int_equal(pool_set(en, &f, &e), -EINVAL); /* low above high */
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, &e), 0);
	settle(0);
	only_the_daemon_is_left();
}

/* The budget holds whatever the water marks say. */
static void the_budget_is_kept(void **state)
{
	struct pool_flavor f = {
		.type = DOM_PV, .vcpus = 1, .mem_kib = 300u << 10, .low = 1, .high = 9};
	struct err e = {0};

	(void)state;
	assert_int_equal(pool_set(en, &f, &e), 0);
	wait_ready(1);
	assert_int_equal(create(guest("a", DOM_PV, 300u << 10), 0).rc, 0);
	assert_int_equal(create(guest("b", DOM_PV, 300u << 10), 0).rc, 0);
	assert_int_equal(create(guest("c", DOM_PV, 300u << 10), 0).rc, 0);
	assert_int_equal(create(guest("d", DOM_PV, 300u << 10), 0).rc, 0);
	wait_ready(3); /* 4 are wanted, the pool may hold 1 GiB */
	turn(NULL);
	assert_int_equal(pool_ready(), 3);
	f.low = 4;
	assert_int_equal(pool_set(en, &f, &e), -ENOMEM);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, &e), 0);
	for (const char *name = "abcd"; *name; name++)
		assert_int_equal(vm_destroy(engine_find(en, (char[2]){*name}), NULL), 0);
	settle(0);
}

static void pool_survives_no_daemon(void **state)
{
	struct engine_conf c = conf();
	struct engine *dead = en;
	struct fake_count n;
	struct err e = {0};

	(void)state;
	fill_pool(DOM_PVH, NULL, 3);
	wait_ready(3);
	engine_close(dead); /* in good order: shells go with it */
	fake_count(&n);
	assert_int_equal(n.domains, 0);
	assert_int_equal(engine_open(loop, &c, &en, &e), 0);
	assert_int_equal(pool_ready(), 0);
}

/* The engine closes while the worker makes a large shell: nothing of it stays. */
static void closing_waits_for_a_shell(void **state)
{
	struct engine_conf c = conf();
	struct pool_flavor f = {
		.type = DOM_PV, .vcpus = 1, .mem_kib = 64u << 10, .low = 2, .high = 2};
	struct fake_count n;
	struct err e = {0};

	(void)state;
	for (int rounds = 0; rounds < 5; rounds++) {
		assert_int_equal(pool_set(en, &f, &e), 0);
		for (int i = 0; i < rounds; i++)
			(void)ev_run(loop, EVRUN_NOWAIT);
		engine_close(en);
		fake_count(&n);
		assert_int_equal(n.domains, 0);
		assert_int_equal(n.mapped_pages, 0);
		assert_int_equal(n.ports + n.reserved, 0);
		assert_int_equal(engine_open(loop, &c, &en, &e), 0);
	}
}

static void failing_claims_end_clean(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		fill_pool(DOM_PV, kind ? GUEST_NOOP : NULL, 1);
		for (uint32_t nth = 1; nth < 12; nth++) {
			struct fake_count n;
			struct result r;

			wait_ready(1);
			fake_fail_at(nth, EIO);
			r = create(guest("web", DOM_PV, 4096), 0);
			fake_fail_at(0, 0);
			if (r.rc == 0)
				assert_int_equal(vm_destroy(r.vm, NULL), 0);
			wait_ready(1); /* also unmaps what the claim had left mapped */
			settle(1);
			until(ports_reserved() == free_slots() + pool_ready());
			fake_count(&n);
			assert_int_equal(n.domains, pool_ready());
			assert_int_equal(n.ports, 1);
			assert_int_equal(n.mapped_pages, (kind ? 2u : 2u + 16u) * pool_ready());
			if (engine_find(en, "web"))
				assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		fill_pool(DOM_PV, kind ? GUEST_NOOP : NULL, 0);
		settle(0);
		only_the_daemon_is_left();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(pool_is_claimed_and_refilled), LIFE(a_burst_raises_the_target),
		LIFE(the_budget_is_kept),	    LIFE(pool_survives_no_daemon),
		LIFE(closing_waits_for_a_shell),    LIFE(failing_claims_end_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
