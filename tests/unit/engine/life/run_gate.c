/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates wait for the backends of their devices and fail with the reason; a guest that cannot be
 * unpaused afterwards is not shown as running. */
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

/* Turns the loop no further than to open its disk. */
static void ask(struct vm_config c, uint32_t flags, struct result *r)
{
	create_begin(c, flags, r);
	files_settle();
}

/* The create's time to wait is over. */
static void time_is_over(struct vm *vm)
{
	assert_int_equal(life_now(vm), NOW_CONNECTING);
	life_test_set_connect_until(vm, ev_now(loop) - 1.);
	vm_devices(vm)->ops->changed(vm_devices(vm), false);
}

static bool is_paused(const struct vm *vm)
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	return info.paused;
}

static void creates_wait_for_backends(void **state)
{
	(void)state;
	for (int paused = 0; paused < 2; paused++) {
		uint32_t flags = VM_CREATE_WAIT_DEVICES | (paused ? VM_CREATE_PAUSED : 0);
		struct result r;

		ask(net_and_disk("web"), flags, &r);
		turn(NULL);
		assert_false(r.called);
		assert_int_equal(vm_state(engine_find(en, "web")), VM_BUILDING);
		assert_true(is_paused(engine_find(en, "web")));
		assert_int_equal(vm_unpause(engine_find(en, "web"), NULL), -EBUSY);
		work_until(r.called);
		assert_int_equal(r.rc, 0);
		assert_int_equal(connected(r.vm), 2);
		assert_int_equal(vm_state(r.vm), paused ? VM_PAUSED : VM_RUNNING);
		assert_int_equal(is_paused(r.vm), paused);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		nothing_is_left(0);
	}
}

/* One that makes the handshake itself runs when it will find the backend's half. */
static void others_wait_for_half_of_it(void **state)
{
	struct vm_config c = other_guest("web");
	struct result r;

	(void)state;
	give(&c, vif("br0", ""));
	ask(c, VM_CREATE_WAIT_DEVICES, &r);
	work_until(r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(connected(r.vm), 0); /* its half is missing */
	assert_false(is_paused(r.vm));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

/* It runs as soon as it would find the backend's half, not when the time to wait is over. */
static void half_of_it_is_noticed(void **state)
{
	struct vm_config c = other_guest("web");
	struct result r;
	struct vm *vm;

	(void)state;
	give(&c, vbd());
	ask(c, VM_CREATE_WAIT_DEVICES, &r);
	vm = engine_find(en, "web");
	until(life_now(vm) == NOW_CONNECTING);
	life_test_set_connect_until(vm, ev_now(loop) + 3600.);
	turn(NULL);
	assert_false(r.called);
	assert_true(is_paused(vm));
	work_until(r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(connected(r.vm), 0);
	assert_false(is_paused(r.vm));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void failed_with(struct result *r, int rc, const char *words)
{
	while (!r->called)
		turn(NULL);
	if (r->rc != rc || !strstr(r->err.msg, words))
		fail_msg("%d \"%s\", not %d \"%s\"", r->rc, r->err.msg, rc, words);
	assert_null(engine_find(en, "web"));
	nothing_is_left(0);
}

static void what_does_not_come_ends_the_create(void **state)
{
	struct result r;

	(void)state;
	ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
	time_is_over(engine_find(en, "web"));
	failed_with(&r, -ETIMEDOUT,
		    "vif 0: its backend did not come up within 10 s: xen-netback is not ready; "
		    "--no-wait-devices");
	kernel_lacks_driver("vif");
	ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
	time_is_over(engine_find(en, "web"));
	failed_with(&r, -ETIMEDOUT, "xen-netback is not loaded (modprobe xen-netback)");
	kernel_lacks_driver(NULL);
	ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
	devices_test_break(vm_devices(engine_find(en, "web")), 1, "its disk does not answer");
	assert_false(r.called); /* not inside what has happened to the device */
	failed_with(&r, -EIO, "vbd 51712: its disk does not answer");
	ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	assert_int_equal(r.rc, -ECANCELED);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

/* The kernel takes up one after the other: as long as it gets on the last one is waited for. */
static void the_last_of_many_has_its_time(void **state)
{
	struct result first;
	struct result last;
	struct vm *vm;

	(void)state;
	ask(net_and_disk("web"), 0, &first);
	ask(other_guest("no devices"), 0, &last);
	while (!last.called)
		turn(NULL);
	{
		struct vm_config c = guest("last", DOM_PV, 4096);

		give(&c, vif("br1", ""));
		ask(c, VM_CREATE_WAIT_DEVICES, &last);
	}
	vm = engine_find(en, "last");
	say_state("vif", vm_domid(first.vm), 0, 2); /* one before it has its turn */
	time_is_over(vm);
	turn(NULL);
	assert_false(last.called);
	assert_true(life_test_connect_until(vm) > ev_now(loop));
	while (!last.called)
		work_for(1);
	assert_int_equal(last.rc, 0);
	/* One that others have overtaken is not. */
	{
		struct vm_config c = guest("web2", DOM_PV, 4096);

		give(&c, vif("br1", ""));
		ask(c, VM_CREATE_WAIT_DEVICES, &last);
	}
	devices_test_all_reached(en);
	time_is_over(engine_find(en, "web2"));
	while (!last.called)
		turn(NULL);
	assert_int_equal(last.rc, -ETIMEDOUT);
	while (vms_alive(en))
		assert_int_equal(vm_destroy(vms_alive(en), NULL), 0);
	nothing_is_left(0);
}

/* A device that goes by other hands is missed. */
static void what_goes_ends_the_create(void **state)
{
	struct result r;
	uint32_t domid;

	(void)state;
	ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
	domid = vm_domid(engine_find(en, "web"));
	say_state("vif", domid, 0, 2);
	kernel_add_backend("vif", domid, 0);
	goes("vif", domid, 0);
	failed_with(&r, -EIO, "1 of 2 devices were removed");
}

static void others_do_not_wait(void **state)
{
	struct result r;

	(void)state;
	ask(guest("plain", DOM_PV, 4096), VM_CREATE_WAIT_DEVICES, &r);
	assert_true(r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	ask(net_and_disk("web"), 0, &r);
	assert_true(r.called);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	assert_int_equal(life_now(r.vm), NOW_GATED);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void every_call_may_fail(void **state)
{
	uint32_t files = 0;
	bool through = false;

	(void)state;
	for (uint32_t nth = 0; !through; nth++) {
		struct result r;

		fake_fail_at(nth, ENOMEM);
		ask(net_and_disk("web"), VM_CREATE_WAIT_DEVICES, &r);
		work_until(r.called);
		through = nth > 0 && r.rc == 0 && !fake_failed();
		fake_fail_at(0, 0);
		if (r.rc == 0)
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		if (r.rc == 0)
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		else
			assert_true(r.err.msg[0] != '\0');
		assert_null(engine_find(en, "web"));
		nothing_is_left(files);
		files = open_files();
	}
}

/* The last backend comes, and Xen does not let the guest run. */
static void a_failed_unpause_is_told(void **state)
{
	struct vm_info i;
	struct result r;

	(void)state;
	ask(net_and_disk("web"), 0, &r);
	assert_int_equal(life_now(r.vm), NOW_GATED);
	devices_test_connect(vm_devices(r.vm));
	fake_fail_at(1, ENOMEM);
	vm_devices(r.vm)->ops->changed(vm_devices(r.vm), false);
	assert_non_null(fake_failed());
	fake_fail_at(0, 0);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.state, VM_PAUSED);
	assert_true(is_paused(r.vm));
	assert_int_equal(vm_unpause(r.vm, NULL), 0);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	assert_false(is_paused(r.vm));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	devices_test_unconnect_all(en);
	nothing_is_left(0);
}

/* Killed while a create under a uuid of the history waits: the history has it as before. */
/* What Xen has of the domain is not known: then it is not paused, and does not run before its
 * devices. */
static void a_state_that_is_not_known_is_an_error(void **state)
{
	bool failed = true;
	struct result r;
	struct err e = {0};

	(void)state;
	ask(net_and_disk("web"), VM_CREATE_PAUSED, &r);
	until(r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(connected(r.vm), 0);
	for (uint32_t nth = 1; failed; nth++) {
		int rc;

		fake_fail_at(nth, EIO);
		rc = vm_unpause(r.vm, &e);
		failed = fake_failed();
		fake_fail_at(0, 0);
		assert_int_equal(rc, failed ? -EIO : 0);
		assert_true(is_paused(r.vm));
		assert_int_equal(life_now(r.vm), failed ? NOW_PAUSED : NOW_GATED);
		assert_true(nth > 1 || failed);
	}
	assert_int_equal(vm_pause(r.vm, NULL), 0);
	/* another toolstack has unpaused it */
	assert_int_equal(xen_domain_unpause(engine_xen(en), vm_domid(r.vm)), 0);
	failed = true;
	for (uint32_t nth = 1; failed; nth++) {
		int rc;

		fake_fail_at(nth, EIO);
		rc = vm_pause(r.vm, &e);
		failed = fake_failed();
		fake_fail_at(0, 0);
		assert_int_equal(rc, failed ? -EIO : 0);
		assert_int_equal(is_paused(r.vm), !failed);
		assert_true(nth > 1 || failed);
	}
	assert_non_null(strstr(err_msg(&e), "pause \"web\""));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void a_killed_create_leaves_history(void **state)
{
	struct vm_config c = guest("old", DOM_PV, 4096);
	struct engine_conf again = conf();
	struct xen_domain_info info;
	struct fake_count n;
	uint8_t uuid[16];
	struct result r;
	int code;

	(void)state;
	memset(uuid, 7, sizeof(uuid));
	memcpy(c.uuid, uuid, sizeof(uuid));
	c.have_uuid = true;
	r = create(c, 0);
	fake_end(vm_domid(r.vm), SHUTDOWN_crash);
	settle(0);
	c = net_and_disk("new");
	memcpy(c.uuid, uuid, sizeof(uuid));
	c.have_uuid = true;
	ask(c, VM_CREATE_WAIT_DEVICES, &r);
	assert_int_equal(vm_rename(engine_find(en, "new"), "other", NULL), 0);
	engine_close(en);
	fake_process_died();
	fake_count(&n);
	assert_int_equal(n.domains, 1);
	assert_int_equal(engine_open(loop, &again, &en, NULL), 0);
	settle(0);
	nothing_is_left(0);
	assert_int_equal(xen_domain_list(engine_xen(en), 1, 1, &info), 0);
	assert_null(vms_alive(en));
	assert_int_equal(vm_state(engine_find_uuid(en, uuid)), VM_ENDED);
	assert_int_equal(vm_reason(engine_find_uuid(en, uuid), &code), VM_REASON_CRASH);
	assert_int_equal(vms_ended_count(en), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(creates_wait_for_backends),
		DEVICES(others_wait_for_half_of_it),
		DEVICES(half_of_it_is_noticed),
		DEVICES(what_does_not_come_ends_the_create),
		DEVICES(the_last_of_many_has_its_time),
		DEVICES(what_goes_ends_the_create),
		DEVICES(others_do_not_wait),
		DEVICES(every_call_may_fail),
		DEVICES(a_failed_unpause_is_told),
		DEVICES(a_state_that_is_not_known_is_an_error),
		DEVICES(a_killed_create_leaves_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
