/* SPDX-License-Identifier: BSD-3-Clause */
/* What the next daemon takes for its own, and what it leaves to others; lists and deaths. */
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool_test.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm_test.h"

/* Another toolstack makes a domain. */
static uint32_t theirs(uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domain_config c = {.domid = domid, .max_vcpus = 1};
	struct xen *x;
	uint32_t id;

	memcpy(c.uuid, uuid, sizeof(c.uuid));
	assert_int_equal(xen_open(&x, NULL), 0);
	assert_int_equal(xen_domain_create(x, &c, &id), 0);
	xen_close(x);
	return id;
}

struct seen {
	uint32_t foreign[4], n;
};

static void ignore_vm(const struct vm_info *i, void *arg)
{
	(void)i;
	(void)arg;
}

static void note_foreign(const struct xen_domain_info *info, const char *name, void *arg)
{
	struct seen *s = arg;

	(void)name;
	assert_true(s->n < 4);
	s->foreign[s->n++] = info->domid;
}

static struct seen list(void)
{
	struct seen s = {0};
	struct listing *l;

	assert_int_equal(listing_open(en, false, true, &l, NULL), 0);
	while (listing_more(l, 16, ignore_vm, note_foreign, &s, NULL) == 1)
		;
	listing_close(l);
	return s;
}

static bool is_foreign(uint32_t domid)
{
	struct seen s = list();

	for (uint32_t i = 0; i < s.n; i++)
		if (s.foreign[i] == domid)
			return true;
	return false;
}

static void is_untouched(uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), domid, &info), 0);
	assert_memory_equal(info.uuid, uuid, 16);
	assert_true(is_foreign(domid));
}

/* --- the same uuid --- */

static void a_uuid_of_the_history_proves_nothing(void **state)
{
	uint8_t uuid[16];
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;

	(void)state;
	vm_uuid(vm, uuid);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	daemon_dies();
	(void)theirs(5, uuid);
	daemon_starts();
	settle(1);
	assert_int_equal(vm_state(engine_find(en, "web")), VM_ENDED);
	is_untouched(5, uuid);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), -ESRCH);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	is_untouched(5, uuid);
}

static void the_uuid_of_a_living_one_neither(void **state)
{
	uint8_t uuid[16];
	uint32_t domid;
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;

	(void)state;
	vm_uuid(vm, uuid);
	domid = vm_domid(vm);
	(void)theirs(5, uuid); /* beside it */
	assert_true(is_foreign(5));
	daemon_dies();
	daemon_starts();
	assert_int_equal(vm_state(engine_find(en, "web")), VM_RUNNING);
	assert_int_equal(vm_domid(engine_find(en, "web")), domid);
	is_untouched(5, uuid);
	daemon_dies();
	fake_vanish(domid); /* in its place */
	daemon_starts();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_ENDED);
	is_untouched(5, uuid);
}

/* The domain of the record is gone, and its id another one's. */
static void an_id_alone_neither(void **state)
{
	static const enum vm_state states[] = {VM_RUNNING, VM_PAUSED, VM_ENDED_PRESERVED};
	const uint8_t other[16] = "of another kind";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct vm_config c = guest("web", DOM_PV, 256);
		uint32_t domid;
		struct vm *vm;

		c.on_crash = VM_PRESERVE;
		vm = create(c, states[i] == VM_PAUSED ? VM_CREATE_PAUSED : 0).vm;
		domid = vm_domid(vm);
		if (states[i] == VM_ENDED_PRESERVED)
			fake_end(domid, SHUTDOWN_crash);
		until(vm_state(vm) == states[i]);
		assert_int_equal(vm_state(vm), states[i]);
		daemon_dies();
		fake_vanish(domid);
		(void)theirs(domid, other);
		daemon_starts();
		settle(1);
		vm = engine_find(en, "web");
		assert_int_equal(vm_state(vm), VM_ENDED);
		is_untouched(domid, other);
		assert_int_equal(vm_destroy(vm, NULL), -ESRCH);
		assert_int_equal(vm_rm(vm, NULL), 0);
		assert_int_equal(xen_domain_destroy(engine_xen(en), domid, other), 0);
	}
}

/* --- half made --- */

static void intend(uint32_t domid, const uint8_t uuid[16])
{
	struct vm *vm = vm_new(en);

	assert_non_null(vm);
	vm_test_make_building(vm, uuid, domid);
	assert_int_equal(vm_record(vm, NULL), 0);
	vm_free(vm);
}

static void an_intent_proves_its_own_domain_alone(void **state)
{
	static const uint8_t u[3][16] = {"its own domain", "another id", "another uuid"};
	const uint8_t other[16] = "of another kind";

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		intend(100 + i, u[i]);
	daemon_dies();
	(void)theirs(100, u[0]);
	(void)theirs(5, u[1]);
	(void)theirs(102, other);
	daemon_starts();
	assert_false(is_foreign(100)); /* on its way out */
	settle(2);
	is_untouched(5, u[1]);
	is_untouched(102, other);
	assert_int_equal(xen_domain_info(engine_xen(en), 100, &(struct xen_domain_info){0}),
			 -ESRCH);
	daemon_dies();
	(void)theirs(101, u[1]); /* the intent is gone: it proves nothing any more */
	daemon_starts();
	settle(3);
	is_untouched(101, u[1]);
}

/* Xen could not be asked: it is again, and nothing is called foreign meanwhile. */
static void cleaning_is_tried_again(void **state)
{
	const uint8_t u[16] = "its own domain";
	uint32_t pending = 0;

	(void)state;
	for (uint32_t nth = 1; nth < 20; nth++) {
		struct engine_conf c = conf();

		intend(100, u);
		daemon_dies();
		(void)theirs(100, u);
		fake_process_died();
		fake_fail_at(nth, ENOMEM);
		if (engine_open(loop, &c, &en, NULL) < 0) {
			fake_fail_at(0, 0);
			daemon_starts();
		}
		fake_fail_at(0, 0);
		pending += !domain_is_dropped(en, 100);
		assert_false(is_foreign(100));
		settle(0);
	}
	assert_int_equal(pending, 0); /* one failing call has another way; two do not */
}

/* --- deaths --- */

static void deaths_are_looked_for_again(void **state)
{
	bool listed = false;

	(void)state;
	for (uint32_t nth = 1; !listed; nth++) {
		struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;

		assert_true(nth < 20);
		work_for(20);
		fake_fail_at(nth, ENOMEM);
		fake_end(vm_domid(vm), SHUTDOWN_poweroff);
		for (int i = 0; i < 100 && !fake_failed(); i++)
			work_for(1);
		listed = fake_failed() && strcmp(fake_failed(), "xen_domain_list") == 0;
		fake_fail_at(0, 0);
		assert_true(!listed || vm_state(vm) == VM_RUNNING);
		settle(0);
		assert_int_equal(vm_state(vm), VM_ENDED);
	}
}

static void preserved_ones_that_vanish_end(void **state)
{
	struct vm_config c = guest("web", DOM_PV, 256);
	struct vm *vm;
	int code;

	(void)state;
	c.on_crash = VM_PRESERVE;
	vm = create(c, 0).vm;
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	until(vm_state(vm) != VM_RUNNING);
	assert_int_equal(vm_state(vm), VM_ENDED_PRESERVED);
	fake_vanish(vm_domid(vm));
	work_until(vm_state(vm) == VM_ENDED);
	assert_int_equal(vm_state(vm), VM_ENDED);
	assert_int_equal(vm_reason(vm, &code), VM_REASON_CRASH);
}

/* --- lists --- */

static void shells_are_never_foreign(void **state)
{
	struct pool_flavor f = {
		.type = DOM_PV, .vcpus = 1, .mem_kib = 4096, .low = 2, .high = 2, .vifs = 1};
	bool waited = false;

	(void)state;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	for (int i = 0; i < 2000 && pool_ready() < 2; i++) {
		(void)ev_run(loop, EVRUN_NOWAIT);
		waited = waited || pool_test_connecting_domid(en);
		assert_int_equal(list().n, 0);
		if (i > 100)
			work_for(1);
	}
	assert_true(waited);
	assert_int_equal(pool_ready(), 2);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(list().n, 0);
		work_for(1);
	}
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(a_uuid_of_the_history_proves_nothing),
		DEVICES(the_uuid_of_a_living_one_neither),
		DEVICES(an_id_alone_neither),
		DEVICES(an_intent_proves_its_own_domain_alone),
		DEVICES(cleaning_is_tried_again),
		DEVICES(deaths_are_looked_for_again),
		DEVICES(preserved_ones_that_vanish_end),
		DEVICES(shells_are_never_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
