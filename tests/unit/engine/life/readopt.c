/* SPDX-License-Identifier: BSD-3-Clause */
/* The next daemon: restarts go on, unknown VMs become known or end, many are heard in the end. */
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vms.h"

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
		until(vm_state(vm) != VM_RUNNING);
		assert_int_equal(vm_state(vm), VM_BUILDING);
		if (n > 2) /* its devices are gone: it waits for the second to be over */
			work_for(200);
		if (n & 1)
			daemon_dies();
		else
			engine_close(en);
		daemon_starts();
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
	until(vm_state(vm) == VM_ENDED_PRESERVED);
	assert_int_equal(vm_state(engine_find(en, "again")), VM_BUILDING);
	daemon_dies();
	daemon_starts();
	vm = restarted();
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_int_equal(vm_destroy(vms_alive(en), NULL), 0);
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
	until(vm_state(vm) != VM_RUNNING);
	assert_int_equal(vm_state(vm), VM_BUILDING);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	daemon_dies();
	daemon_starts();
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

		daemon_dies();
		fake_process_died();
		fake_fail_at(nth, ENOMEM);
		if (engine_open(loop, &c, &en, NULL) < 0)
			daemon_starts();
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
	/* The record still says what it was. */
	daemon_dies();
	daemon_starts();
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
		daemon_dies();
		daemon_starts();
		waited = control_first_unheard(en) != NULL;
		assert_true(waited);
		assert_int_equal(vm_state(control_first_unheard(en)), VM_RUNNING);
		assert_int_equal(vm_shutdown(control_test_next_unheard(control_first_unheard(en)),
					     false, NULL),
				 0);
		if (fails) {
			fake_fail_at(1, ENOMEM);
			(void)ev_run(loop, EVRUN_NOWAIT);
			for (int i = 0; i < 100 && !fake_failed(); i++)
				(void)ev_run(loop, EVRUN_NOWAIT);
			fake_fail_at(0, 0);
		}
		for (int i = 0; i < 5000 && control_first_unheard(en); i++)
			work_for(1);
		assert_null(control_first_unheard(en));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(restarts_go_on),	DEVICES(restarts_under_the_name_go_on),
		DEVICES(ended_restarts_do_not), DEVICES(unknown_ones_can_be_destroyed),
		DEVICES(unknown_ones_end),	DEVICES(many_are_heard_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
