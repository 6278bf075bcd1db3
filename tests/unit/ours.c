/* SPDX-License-Identifier: BSD-3-Clause */
/* What the next daemon takes for its own, and what it leaves to others; unknown VMs; restarts. */
#include "tests/unit/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void start(void)
{
	struct engine_conf c = conf();
	struct err e = {0};

	fake_process_died();
	if (engine_open(loop, &c, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

/* The daemon dies, and leaves its folder as it is now. */
static void die(void)
{
	struct engine_conf c = conf();
	char command[512];

	(void)snprintf(command, sizeof(command), "cp -r %s %s.then", c.run_dir, c.run_dir);
	assert_int_equal(system(command), 0);
	engine_close(en);
	(void)snprintf(command, sizeof(command), "rm -rf %s && mv %s.then %s", c.run_dir, c.run_dir,
		       c.run_dir);
	assert_int_equal(system(command), 0);
}

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

static void note_foreign(const struct xen_domain_info *info, void *arg)
{
	struct seen *s = arg;

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
	die();
	(void)theirs(5, uuid);
	start();
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
	die();
	start();
	assert_int_equal(vm_state(engine_find(en, "web")), VM_RUNNING);
	assert_int_equal(vm_domid(engine_find(en, "web")), domid);
	is_untouched(5, uuid);
	die();
	fake_vanish(domid); /* in its place */
	start();
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
		turn(NULL);
		assert_int_equal(vm_state(vm), states[i]);
		die();
		fake_vanish(domid);
		(void)theirs(domid, other);
		start();
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
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	vm->state = VM_BUILDING;
	vm->slot.domid = domid;
	assert_int_equal(registry_put(vm, NULL), 0);
	vm_free(vm);
}

static void an_intent_proves_its_own_domain_alone(void **state)
{
	static const uint8_t u[3][16] = {"its own domain", "another id", "another uuid"};
	const uint8_t other[16] = "of another kind";

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		intend(100 + i, u[i]);
	die();
	(void)theirs(100, u[0]);
	(void)theirs(5, u[1]);
	(void)theirs(102, other);
	start();
	assert_false(is_foreign(100)); /* on its way out */
	settle(2);
	is_untouched(5, u[1]);
	is_untouched(102, other);
	assert_int_equal(xen_domain_info(engine_xen(en), 100, &(struct xen_domain_info){0}),
			 -ESRCH);
	die();
	(void)theirs(101, u[1]); /* the intent is gone: it proves nothing any more */
	start();
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
		die();
		(void)theirs(100, u);
		fake_process_died();
		fake_fail_at(nth, ENOMEM);
		if (engine_open(loop, &c, &en, NULL) < 0) {
			fake_fail_at(0, 0);
			start();
		}
		fake_fail_at(0, 0);
		pending += !domain_is_dropped(en, 100);
		assert_false(is_foreign(100));
		settle(0);
	}
	assert_int_equal(pending, 0); /* one failing call has another way; two do not */
}

/* --- restarts --- */

static struct vm *restarted(void)
{
	struct vm *vm = engine_find(en, "again");

	assert_non_null(vm);
	assert_int_equal(vm_state(vm), VM_BUILDING);
	work_until(vm_state(vm) != VM_BUILDING);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	return vm;
}

/* The daemon dies, or is stopped in good order, while the VM waits for its restart. */
static void restarts_go_on(void **state)
{
	struct vm_config c = net_and_disk("again");
	struct vm_info i;
	struct vm *vm;

	(void)state;
	c.on_crash = VM_RESTART;
	vm = create(c, 0).vm;
	work_for(20);
	for (uint32_t n = 1; n <= 4; n++) {
		fake_end(vm_domid(vm), SHUTDOWN_crash);
		turn(NULL);
		assert_int_equal(vm_state(vm), VM_BUILDING);
		if (n > 2) /* its devices are gone: it waits for the second to be over */
			work_for(200);
		if (n & 1)
			die();
		else
			engine_close(en);
		start();
		vm = restarted();
		vm_get_info(vm, &i);
		assert_int_equal(i.restarts, n);
		work_for(20);
		assert_int_equal(connected(vm), 2);
	}
	assert_int_equal(vm_destroy(vm, NULL), 0);
	nothing_is_left(0);
}

/* The successor of one that is kept under another name. */
static void restarts_under_the_name_go_on(void **state)
{
	struct vm_config c = guest("again", DOM_PV, 32768); /* the worker builds it */
	struct vm *vm;

	(void)state;
	c.on_crash = VM_RENAME_RESTART;
	vm = create(c, 0).vm;
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	for (int i = 0; i < 1000 && vm_state(vm) != VM_ENDED_PRESERVED; i++)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(vm_state(engine_find(en, "again")), VM_BUILDING);
	die();
	start();
	vm = restarted();
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_int_equal(vm_destroy(en->alive, NULL), 0);
	nothing_is_left(0);
}

/* It was destroyed before the daemon died: it stays so. */
static void ended_restarts_do_not(void **state)
{
	struct vm_config c = guest("again", DOM_PV, 256);
	struct vm *vm;

	(void)state;
	c.on_crash = VM_RESTART;
	vm = create(c, 0).vm;
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	turn(NULL);
	assert_int_equal(vm_state(vm), VM_BUILDING);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	die();
	start();
	vm = engine_find(en, "again");
	assert_int_equal(vm_state(vm), VM_ENDED);
	turn(NULL);
	assert_int_equal(vm_state(vm), VM_ENDED);
	settle(0);
}

/* --- unknown ones --- */

/* The next start, in which a mapping fails. */
static struct vm *start_unknown(void)
{
	for (uint32_t nth = 1; nth < 40; nth++) {
		struct engine_conf c = conf();
		struct vm *vm;

		die();
		fake_process_died();
		fake_fail_at(nth, ENOMEM);
		if (engine_open(loop, &c, &en, NULL) < 0)
			start();
		vm = engine_find(en, "web");
		if (fake_failed() && strcmp(fake_failed(), "xen_map") == 0) {
			fake_fail_at(0, 0);
			assert_int_equal(vm_state(vm), VM_UNKNOWN);
			return vm;
		}
		fake_fail_at(0, 0);
	}
	fail_msg("no call failed that makes a VM unknown");
	return NULL;
}

static void unknown_ones_can_be_destroyed(void **state)
{
	struct vm_info i;
	struct err e = {0};
	struct vm *vm;

	(void)state;
	assert_int_equal(create(net_and_disk("web"), 0).rc, 0);
	work_for(20);
	vm = start_unknown();
	vm_get_info(vm, &i);
	assert_non_null(strstr(i.unknown, "map device and control page of domain"));
	assert_int_equal(vm_pause(vm, &e), -EAGAIN);
	assert_non_null(strstr(e.msg, "map device and control page of domain"));
	assert_int_equal(vm_unpause(vm, NULL), -EAGAIN);
	assert_int_equal(vm_shutdown(vm, false, NULL), -EAGAIN);
	assert_int_equal(vm_console_write(vm, "x", 1, NULL), -EAGAIN);
	assert_int_equal(vm_rm(vm, NULL), -EBUSY);
	assert_int_equal(vm_rename(vm, "other", NULL), 0);
	assert_false(is_foreign(i.domid));
	/* The record still says what it was. */
	die();
	start();
	assert_null(engine_find(en, "web"));
	assert_int_equal(vm_state(engine_find(en, "other")), VM_RUNNING);
	assert_int_equal(vm_rename(engine_find(en, "other"), "web", NULL), 0);
	vm = start_unknown();
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_int_equal(vm_state(engine_find(en, "web")), VM_ENDED);
	nothing_is_left(0);
}

/* It ends while it is unknown. */
static void unknown_ones_end(void **state)
{
	(void)state;
	for (int vanishes = 0; vanishes < 2; vanishes++) {
		struct vm *vm;
		struct vm_info i;

		assert_int_equal(create(net_and_disk("web"), 0).rc, 0);
		work_for(20);
		vm = start_unknown();
		if (vanishes)
			fake_vanish(vm_domid(vm));
		else
			fake_end(vm_domid(vm), SHUTDOWN_poweroff);
		work_until(vm_state(vm) == VM_ENDED);
		vm_get_info(vm, &i);
		assert_int_equal(i.state, VM_ENDED);
		assert_int_equal(i.reason, vanishes ? VM_REASON_LOST : VM_REASON_POWEROFF);
		assert_null(i.unknown);
		nothing_is_left(0);
		assert_int_equal(vm_rm(vm, NULL), 0);
	}
}

/* --- many --- */

/* The channels of some are bound after the start: what they say is found nevertheless. */
static void many_are_heard_in_the_end(void **state)
{
	uint32_t domid[300];
	bool waited;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "vm%u", i);
		domid[i] = vm_domid(create(guest(name, DOM_PV, 256), 0).vm);
	}
	for (int fails = 0; fails < 2; fails++) {
		die();
		start();
		waited = en->unheard != NULL;
		assert_true(waited);
		assert_int_equal(vm_state(en->unheard), VM_RUNNING);
		assert_int_equal(vm_shutdown(en->unheard->unheard_next, false, NULL), 0);
		if (fails) {
			fake_fail_at(1, ENOMEM);
			(void)ev_run(loop, EVRUN_NOWAIT);
			for (int i = 0; i < 100 && !fake_failed(); i++)
				(void)ev_run(loop, EVRUN_NOWAIT);
			fake_fail_at(0, 0);
		}
		for (int i = 0; i < 5000 && en->unheard; i++)
			work_for(1);
		assert_null(en->unheard);
	}
	for (uint32_t i = 0; i < 300; i++) {
		char name[16];
		struct vm *vm;

		(void)snprintf(name, sizeof(name), "vm%u", i);
		vm = engine_find(en, name);
		assert_non_null(vm);
		assert_int_equal(vm_domid(vm), domid[i]);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		assert_int_equal(vm_destroy(vm, NULL), 0);
	}
	nothing_is_left(0);
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
	turn(NULL);
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
	for (int i = 0; i < 2000 && en->flavors->f.ready < 2; i++) {
		(void)ev_run(loop, EVRUN_NOWAIT);
		waited = waited || en->connecting;
		assert_int_equal(list().n, 0);
		if (i > 100)
			work_for(1);
	}
	assert_true(waited);
	assert_int_equal(en->flavors->f.ready, 2);
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
		DEVICES(restarts_go_on),
		DEVICES(restarts_under_the_name_go_on),
		DEVICES(ended_restarts_do_not),
		DEVICES(unknown_ones_can_be_destroyed),
		DEVICES(unknown_ones_end),
		DEVICES(many_are_heard_in_the_end),
		DEVICES(deaths_are_looked_for_again),
		DEVICES(preserved_ones_that_vanish_end),
		DEVICES(shells_are_never_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
