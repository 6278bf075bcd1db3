/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells whose guest waits at its gate: a claim is an event, and what does not wait goes. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool_test.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"

#include <xen/sched.h> /* behind xenctrl.h */

static const enum dom_type types[] = {DOM_PV, DOM_PVH};

static void set_pool(enum dom_type type, uint32_t count, bool no_gate)
{
	char image[] = GUEST_NOOP;
	struct pool_flavor f = {.type = type,
				.vcpus = 1,
				.mem_kib = 4096,
				.image = image,
				.no_gate = no_gate,
				.low = count,
				.high = count};
	struct err e = {0};

	if (pool_set(en, &f, &e) < 0)
		fail_msg("%s", e.msg);
}

static void fill_pool(enum dom_type type, uint32_t count)
{
	set_pool(type, count, false);
	until(pool_ready() == count);
}

static void empty_pool(enum dom_type type)
{
	set_pool(type, 0, false);
	settle(0);
	only_the_daemon_is_left();
}

static bool is_paused(uint32_t domid)
{
	struct xen *x;
	struct xen_domain_info info;

	assert_int_equal(xen_open(&x, NULL), 0);
	assert_int_equal(xen_domain_info(x, domid, &info), 0);
	xen_close(x);
	return info.paused;
}

static struct noxs_page page_of(const struct vm *vm)
{
	struct noxs_page *at = fake_page(vm_domid(vm), vm_dev_frame(vm));
	struct noxs_page copy;

	assert_non_null(at);
	copy = *at;
	(void)munmap(at, sizeof(*at));
	return copy;
}

static void close_gate(const struct vm *vm)
{
	struct noxs_page *at = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(at);
	at->gate = NOXS_GATE_CLOSED;
	(void)munmap(at, sizeof(*at));
}

static void a_claim_is_one_event(void **state)
{
	static const uint8_t none[32];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct noxs_page page;
		struct result r;
		uint32_t calls;

		fill_pool(types[i], 2);
		assert_false(is_paused(pool_test_domid(en, 0)));
		memcpy(&page, pool_test_pages(en), sizeof(page));
		assert_int_equal(page.flags & NOXS_FLAG_GATE, NOXS_FLAG_GATE);
		assert_int_equal(page.gate, NOXS_GATE_CLOSED);
		assert_memory_equal(page.seed, none, sizeof(page.seed));
		assert_memory_equal(page.uuid, none, sizeof(page.uuid));
		fake_fail_at(0, 0);
		r = create(guest("one", types[i], 4096), 0);
		calls = fake_calls();
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.way, VM_GATED);
		assert_int_equal(calls, 1);
		page = page_of(r.vm);
		assert_int_equal(page.gate, NOXS_GATE_OPEN);
		assert_memory_equal(page.uuid, vm_uuid_bytes(r.vm), sizeof(page.uuid));
		assert_memory_not_equal(page.seed, none, sizeof(page.seed));
		assert_int_equal(page.generation, 1);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		empty_pool(types[i]);
	}
}

static void a_paused_one_is_paused(void **state)
{
	struct result r;

	(void)state;
	fill_pool(DOM_PVH, 1);
	r = create(guest("one", DOM_PVH, 4096), VM_CREATE_PAUSED);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_GATED);
	assert_true(is_paused(vm_domid(r.vm)));
	assert_int_equal(page_of(r.vm).gate, NOXS_GATE_OPEN);
	assert_int_equal(vm_unpause(r.vm, NULL), 0);
	assert_false(is_paused(vm_domid(r.vm)));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	empty_pool(DOM_PVH);
}

static void a_flavor_may_want_none(void **state)
{
	struct result r;

	(void)state;
	set_pool(DOM_PV, 1, true);
	until(pool_ready() == 1);
	assert_true(is_paused(pool_test_domid(en, 0)));
	r = create(guest("one", DOM_PV, 4096), 0);
	assert_int_equal(r.way, VM_WARM);
	assert_int_equal(page_of(r.vm).flags & NOXS_FLAG_GATE, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	set_pool(DOM_PV, 0, true);
	settle(0);
	only_the_daemon_is_left();
}

/* Those that do not wait there are destroyed; then the flavor's shells stay paused. */
static void what_does_not_wait_goes(void **state)
{
	static const enum fake_gate ways[] = {FAKE_DOES_NOT_WAIT, FAKE_NEVER_COMES};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct result r;

		fake_set_gate(ways[i]);
		fill_pool(DOM_PV, 3); /* after three that were made in vain */
		assert_true(pool_test_broken(en) >= 3);
		settle(3);
		assert_true(is_paused(pool_test_domid(en, 0)));
		r = create(guest("one", DOM_PV, 4096), 0);
		assert_int_equal(r.way, VM_WARM);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		empty_pool(DOM_PV);
	}
}

static void what_ends_there_goes(void **state)
{
	uint32_t domid;

	(void)state;
	fill_pool(DOM_PV, 2);
	domid = pool_test_domid(en, 0);
	fake_end(domid, SHUTDOWN_crash);
	until(pool_test_broken(en) == 1);
	until(pool_ready() == 2);
	settle(2);
	for (uint32_t n = 0; (domid = pool_test_domid(en, n)) != 0; n++)
		assert_false(is_paused(domid));
	empty_pool(DOM_PV);
}

static void what_uses_cpu_time_goes(void **state)
{
	uint32_t domid;

	(void)state;
	fill_pool(DOM_PV, 2);
	domid = pool_test_domid(en, 0);
	pool_test_look_at_gates(en); /* from now on */
	fake_spend(domid, 5000);
	pool_test_look_at_gates(en);
	assert_int_equal(pool_test_broken(en), 0);
	fake_spend(domid, 20000);
	pool_test_look_at_gates(en);
	assert_int_equal(pool_test_broken(en), 1);
	assert_int_equal(pool_ready(), 1);
	until(pool_ready() == 2);
	settle(2);
	empty_pool(DOM_PV);
}

/* It has changed its mind between its event and the claim: the next one is taken. */
static void what_left_is_not_taken(void **state)
{
	struct noxs_control *c;
	struct result r;

	(void)state;
	fill_pool(DOM_PV, 2);
	c = (struct noxs_control *)(void *)((char *)pool_test_pages(en) + 4096);
	c->state = NOXS_STATE_READY;
	r = create(guest("one", DOM_PV, 4096), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_GATED);
	assert_int_equal(pool_test_broken(en), 1);
	until(pool_ready() == 2);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	empty_pool(DOM_PV);
}

/* It was recorded as running, and its gate not opened yet. */
static void the_next_daemon_opens_the_gate(void **state)
{
	struct vm *vm;

	(void)state;
	fill_pool(DOM_PV, 1);
	vm = create(guest("one", DOM_PV, 4096), 0).vm;
	close_gate(vm);
	daemon_dies();
	daemon_starts();
	vm = engine_find(en, "one");
	assert_non_null(vm);
	assert_int_equal(page_of(vm).gate, NOXS_GATE_OPEN);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_claim_is_one_event),   LIFE(a_paused_one_is_paused),
		LIFE(a_flavor_may_want_none), LIFE(what_does_not_wait_goes),
		LIFE(what_ends_there_goes),   LIFE(what_uses_cpu_time_goes),
		LIFE(what_left_is_not_taken), LIFE(the_next_daemon_opens_the_gate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
