/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains on their way out: noted for the next daemon, and those of VMs that are destroyed while
 * they are built. */
#include "tests/unit/engine/engine_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/engine_test.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

#define BIG_KIB 32768u /* is built on the worker */

static bool any_is_noted(void)
{
	for (uint32_t id = 0; id < 0x8000; id++) {
		if (domain_is_dropped(en, id))
			return true;
	}
	return false;
}

/* The loop hears of a domain's end after it is gone from Xen. */
static void nothing_is_noted(void)
{
	until(!any_is_noted());
}

static uint32_t in_history(void)
{
	uint32_t n = 0;

	for (const struct vm *vm = vms_ended(en); vm; vm = vm_next(vm))
		n++;
	return n;
}

/* --- destroyed while it is built --- */

static void a_name_is_free_at_once(void **state)
{
	struct result first;
	struct result second;
	struct vm *ended;

	(void)state;
	create_begin(guest("web", DOM_PV, BIG_KIB), 0, &first);
	assert_false(first.called);
	assert_int_equal(vm_state(engine_find(en, "web")), VM_BUILDING);
	ended = engine_find(en, "web");
	assert_int_equal(vm_destroy(ended, NULL), 0);
	assert_true(first.called); /* before the worker is through */
	assert_int_equal(first.rc, -ECANCELED);
	assert_non_null(strstr(first.err.msg, "\"web\" was destroyed while it was built"));
	assert_int_equal(vm_state(ended), VM_ENDED);
	assert_int_equal(vm_destroy(ended, NULL), -ESRCH);
	create_begin(guest("web", DOM_PV, BIG_KIB), 0, &second);
	assert_false(second.called);
	turn(&second.called);
	if (second.rc < 0)
		fail_msg("%s", second.err.msg);
	settle(1);
	assert_int_equal(vm_state(engine_find(en, "web")), VM_RUNNING);
	assert_int_equal(in_history(), 1);
	assert_int_equal(vm_destroy(second.vm, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
	nothing_is_noted();
}

/* The same uuid, and history that is shorter than what is destroyed. */
static void what_is_forgotten_goes_too(void **state)
{
	struct result r[8];
	uint32_t files = open_files();

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct vm_config c = guest("web", DOM_PV, BIG_KIB);

		memset(c.uuid, 7, sizeof(c.uuid));
		c.have_uuid = true;
		create_begin(c, 0, &r[i]);
		if (r[i].called)
			fail_msg("%d: %s", i, r[i].err.msg);
		assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
		assert_int_equal(r[i].rc, -ECANCELED);
		if (i == 4)
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	}
	assert_int_equal(in_history(), 1); /* one uuid */
	for (int i = 0; i < 8; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "n%d", i);
		create_begin(guest(name, DOM_PV, BIG_KIB), 0, &r[i]);
		assert_int_equal(vm_destroy(engine_find(en, name), NULL), 0);
	}
	while (history_trim(en, 1))
		;
	assert_int_equal(in_history(), 4);
	until(!memory_builds(en) && !images_busy(engine_images(en)));
	settle(0);
	only_the_daemon_is_left();
	nothing_is_noted();
	assert_int_equal(open_files(), files);
}

/* Between two lives, and while it is built once more. */
static void a_crash_loop_ends_at_once(void **state)
{
	(void)state;
	for (int building = 0; building < 2; building++) {
		struct vm_config c = guest("loop", DOM_PV, building ? BIG_KIB : 256);
		struct result r;

		c.on_crash = VM_RESTART;
		r = create(c, 0);
		fake_end(vm_domid(r.vm), SHUTDOWN_crash);
		while (vm_state(r.vm) != VM_BUILDING)
			turn(NULL);
		until(!building || life_now(r.vm) == NOW_BUILDING); /* its wait is over */
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		assert_int_equal(vm_state(r.vm), VM_ENDED);
		assert_int_equal(vm_rm(r.vm, NULL), 0);
		assert_null(engine_find(en, "loop"));
		while (memory_builds(en) || images_busy(engine_images(en)))
			turn(NULL);
		settle(0);
		only_the_daemon_is_left();
		nothing_is_noted();
	}
}

/* The domain under construction is the VM's own all the time. */
static void it_is_not_foreign(void **state)
{
	struct xen_domain_info info[4];
	struct result r;
	int n = 0;

	(void)state;
	create_begin(guest("web", DOM_PV, BIG_KIB), 0, &r);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), -EBUSY);
	fake_hold_destroy(vm_slot_domid(engine_find(en, "web"))); /* nor does it end */
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	while (memory_builds(en) || images_busy(engine_images(en)) || n == 0) {
		(void)ev_run(loop, EVRUN_NOWAIT);
		n = xen_domain_list(engine_xen(en), 1, 4, info);
	}
	assert_int_equal(n, 1);
	assert_false(engine_test_is_foreign(en, &info[0]));
	fake_hold_destroy(0);
	settle(0);
	only_the_daemon_is_left();
}

/* --- the next daemon --- */

static uint32_t make(struct xen *x, uint32_t domid, const char uuid[16])
{
	struct xen_domain_config c = {.domid = domid, .max_vcpus = 1};
	uint32_t id = 0;

	memcpy(c.uuid, uuid, sizeof(c.uuid));
	assert_int_equal(xen_domain_create(x, &c, &id), 0);
	return id;
}

static void open_again(void)
{
	struct engine_conf c = conf();
	struct err e = {0};

	if (engine_open(loop, &c, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

static void what_was_noted_goes(void **state)
{
	static const char mine[16] = "this is ours...";
	static const char other[16] = "that is not....";
	struct xen_domain_info info[4];
	struct xen *x;
	uint32_t living = vm_domid(create(guest("lives", DOM_PV, 256), 0).vm);

	(void)state;
	/* The last daemon was killed: in the worker's queue, in the middle of vm_destroy(), and
	 * behind an id that another toolstack has by now. */
	drop_note(en, 100, (const uint8_t *)mine);
	drop_note(en, 101, (const uint8_t *)mine);
	drop_note(en, 102, (const uint8_t *)mine);
	drop_note(en, living, vm_uuid_bytes(engine_find(en, "lives")));
	engine_close(en);
	assert_int_equal(xen_open(&x, NULL), 0);
	(void)make(x, 100, mine);
	(void)make(x, 101, other);
	open_again();
	settle(2);
	assert_int_equal(xen_domain_list(x, 1, 4, info), 2);
	assert_int_equal(info[0].domid, 101);
	assert_int_equal(info[1].domid, living);
	assert_int_equal(vm_state(engine_find(en, "lives")), VM_RUNNING);
	while (domain_is_dropped(en, 100) || domain_is_dropped(en, 101))
		turn(NULL);
	nothing_is_noted();
	assert_int_equal(xen_domain_destroy(x, 101, (const uint8_t *)other), 0);
	xen_close(x);
	assert_int_equal(vm_destroy(engine_find(en, "lives"), NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

/* What was half made goes while its client asks again, with the same uuid. */
static void a_record_of_the_next_one_stays(void **state)
{
	static const char same[16] = "one uuid of two";
	struct slot slot = {.domid = 100};
	struct vm_config c = guest("again", DOM_PV, 256);
	struct result r;
	struct xen *x;

	(void)state;
	assert_int_equal(xen_open(&x, NULL), 0);
	(void)make(x, 100, same);
	xen_close(x);
	fake_hold_destroy(100);
	domain_drop(en, 100, (const uint8_t *)same, 0, &slot, NULL, true);
	memcpy(c.uuid, same, sizeof(c.uuid));
	c.have_uuid = true;
	r = create(c, 0);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	fake_hold_destroy(0);
	settle(1);
	while (domain_is_dropped(en, 100))
		turn(NULL);
	engine_close(en);
	open_again();
	assert_non_null(engine_find(en, "again"));
	assert_int_equal(vm_state(engine_find(en, "again")), VM_RUNNING);
}

/* A destroy that fails is not the last. */
static void a_failed_destroy_is_tried_again(void **state)
{
	struct fake_count n;

	(void)state;
	for (uint32_t nth = 1; nth < 8; nth++) {
		struct result r = create(guest("web", DOM_PV, 256), 0);
		bool gone;

		assert_int_equal(r.rc, 0);
		fake_fail_at(nth, ENOMEM);
		gone = vm_destroy(r.vm, NULL) == 0;
		if (gone)
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		settle(gone ? 0 : 1);
		fake_fail_at(0, 0);
		fake_count(&n);
		assert_int_equal(n.domains, gone ? 0 : 1);
		if (!gone)
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		settle(0);
		nothing_is_noted();
		only_the_daemon_is_left();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_name_is_free_at_once),
		LIFE(what_is_forgotten_goes_too),
		LIFE(it_is_not_foreign),
		LIFE(a_crash_loop_ends_at_once),
		LIFE(what_was_noted_goes),
		LIFE(a_failed_destroy_is_tried_again),
		LIFE(a_record_of_the_next_one_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
