/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs with devices back to a snapshot, in a new domain: what they have afterwards, what is refused,
 * and that after a failed call they have either state, and nothing is left. */
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/life/rollback.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/snapshot.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "tests/unit/engine/life/with_devices_help.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>
#include <xen/sched.h>

struct over {
	bool called;
	int rc;
	struct err err;
};

static void on_snapshot(void *arg, int rc, const struct snapshot *x, const struct stream_stats *st,
			const struct err *e)
{
	struct over *o = arg;

	(void)x;
	(void)st;
	assert_false(o->called);
	*o = (struct over){.called = true, .rc = rc};
	if (rc < 0)
		o->err = *e;
}

static void on_rollback(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	on_snapshot(arg, rc, NULL, st, e);
}

static void snapshot(struct vm *vm, const char *name)
{
	bool disks = vm_cfg(vm)->ndevice &&
		     vm_cfg(vm)->device[vm_cfg(vm)->ndevice - 1].kind == DEVICE_VBD;
	struct over o = {0};

	assert_int_equal(vm_snapshot(vm, name, on_snapshot, &o, &o.err), 0);
	if (disks) {
		work_until(vm_state(vm) == VM_SAVING);
		fake_end(vm_domid(vm), SHUTDOWN_suspend);
	}
	work_until(o.called);
	if (o.rc < 0)
		fail_msg("%s", o.err.msg);
	work_until(vm_state(vm) == VM_RUNNING);
}

static int rollback(struct vm *vm, const char *name, uint32_t flags, struct err *e)
{
	struct over o = {0};
	int rc;

	*e = (struct err){0};
	rc = vm_rollback(vm, name, flags, on_rollback, &o, e);
	if (rc < 0)
		return rc;
	work_until(o.called);
	*e = o.err;
	return o.rc;
}

static void on_removed(void *arg, int rc, const struct err *e)
{
	on_snapshot(arg, rc, NULL, NULL, e);
}

static void forget_snapshot(const char *name)
{
	struct over o = {0};
	struct err e = {0};

	assert_int_equal(snapshot_rm(engine_snapshots(en), name, on_removed, &o, &e), 0);
	work_until(o.called);
	assert_int_equal(o.rc, 0);
}

static void gone(struct vm *vm)
{
	if (vm_state(vm) != VM_ENDED)
		assert_int_equal(vm_destroy(vm, NULL), 0);
	work_until(streams_test_count(en) == 0 && kernel_nbackends() == 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

static void it_is_as_it_was(void **state)
{
	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct vm *vm = with_vif("web", (enum dom_type)type, type == DOM_PV ? 256 : 4096);
		struct err e = {0};
		uint8_t uuid[16];
		uint8_t mac[6];

		memcpy(uuid, vm_uuid_bytes(vm), 16);
		memcpy(mac, vm_cfg(vm)->device[0].u.vif.mac, 6);
		set_byte(vm, 3);
		snapshot(vm, "a");
		for (int i = 0; i < 3; i++) {
			set_byte(vm, 7);
			if (rollback(vm, i ? NULL : "a", 0, &e) < 0)
				fail_msg("%s", e.msg);
			assert_ptr_equal(engine_find(en, "web"), vm);
			work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 1);
			work_until(kernel_nbackends() == 1);
			assert_true(is_pinned(vm));
			is_paused(vm, false);
			is_resumed(vm);
			assert_int_equal(get_byte(vm), 3);
			assert_memory_equal(vm_uuid_bytes(vm), uuid, 16);
			assert_memory_equal(vm_cfg(vm)->device[0].u.vif.mac, mac, 6);
			work_until(!has_file(uuid));
		}
		/* one that is paused stays so */
		assert_int_equal(vm_pause(vm, NULL), 0);
		set_byte(vm, 7);
		assert_int_equal(rollback(vm, NULL, 0, &e), 0);
		assert_int_equal(vm_state(vm), VM_PAUSED);
		assert_int_equal(get_byte(vm), 3);
		assert_int_equal(vm_unpause(vm, NULL), 0);
		work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 1);
		gone(vm);
		forget_snapshot("a");
		settle(0);
	}
}

static void disks_are_not_set_back(void **state)
{
	struct vm *vm = with(net_and_disk("web"), CAN);
	struct err e = {0};

	(void)state;
	set_byte(vm, 3);
	snapshot(vm, "a");
	set_byte(vm, 7);
	assert_int_equal(rollback(vm, "a", 0, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "--disk keep"));
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(connected(vm), 2);
	if (rollback(vm, "a", VM_RESTORE_DISKS_KEEP, &e) < 0)
		fail_msg("%s", e.msg);
	work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 2);
	assert_int_equal(get_byte(vm), 3);
	gone(vm);
}

static void others_are_refused(void **state)
{
	struct vm *plain = with(guest("plain", DOM_PVH, 4096), CAN);
	struct vm *vm = with_vif("web", DOM_PVH, 4096);
	struct err e = {0};

	(void)state;
	snapshot(plain, "p");
	set_byte(vm, 7);
	assert_int_equal(rollback(vm, "p", 0, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "or devices"));
	assert_int_equal(rollback(vm, NULL, 0, &e), -ENOENT);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	assert_int_equal(connected(vm), 1);
	assert_int_equal(get_byte(vm), 7);
	assert_false(has_file(vm_uuid_bytes(vm)));
	assert_int_equal(vm_destroy(plain, NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "plain"), NULL), 0);
	gone(vm);
}

/* It ends, or is saved, while a thread writes its new state. */
static void it_changes_meanwhile(void **state)
{
	struct vm *vm = with_vif("web", DOM_PVH, 4096);
	struct over o = {0};
	struct err e = {0};
	uint8_t uuid[16];

	(void)state;
	memcpy(uuid, vm_uuid_bytes(vm), 16);
	snapshot(vm, "a");
	assert_int_equal(vm_rollback(vm, "a", 0, on_rollback, &o, &e), 0);
	assert_int_equal(rollback(vm, "a", 0, &e), -EBUSY); /* there is one already */
	assert_int_equal(vm_destroy(vm, NULL), 0);
	work_until(o.called);
	assert_true(o.rc < 0);
	assert_true(o.err.msg[0]);
	work_until(!has_file(uuid));
	gone(vm);
}

/* The next daemon has it with one of its states. */
static void the_daemon_ends_meanwhile(void **state)
{
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		struct vm *vm = with_vif("web", DOM_PVH, 4096);
		struct over o = {0};
		struct err e = {0};
		uint8_t byte;

		set_byte(vm, 3);
		snapshot(vm, "a");
		set_byte(vm, 7);
		assert_int_equal(vm_rollback(vm, "a", 0, on_rollback, &o, &e), 0);
		for (int i = 0; i < turns; i++)
			tick();
		engine_close(en);
		en = NULL;
		fake_process_died();
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		if (vm_state(vm) == VM_ASLEEP) {
			struct restored k = {0};

			assert_int_equal(vm_wake(vm, "test", VM_RESTORE_DISKS_KEEP, on_restored, &k,
						 &k.st, &k.r.err),
					 0);
			work_until(k.r.called);
			assert_int_equal(k.r.rc, 0);
		}
		work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 1);
		byte = get_byte(vm);
		assert_true(byte == 3 || byte == 7);
		gone(vm);
		forget_snapshot("a");
		settle(0);
	}
}

static void calls_may_fail(void **state)
{
	uint32_t asleep = 0;

	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct vm *vm = with_vif("web", (enum dom_type)type, type == DOM_PV ? 256 : 4096);
		struct err e = {0};

		set_byte(vm, 3);
		snapshot(vm, "a");
		assert_int_equal(rollback(vm, NULL, 0, &e), 0); /* the threads have handles */
		for (uint32_t n = 1;; n++) {
			bool failed;
			int rc;

			work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 1);
			set_byte(vm, 7);
			fake_fail_at(n, n % 2 ? ENOMEM : EIO);
			rc = rollback(vm, NULL, 0, &e);
			work_for(2);
			failed = fake_failed() != NULL;
			fake_fail_at(0, 0);
			if (rc < 0 && e.msg[0] == '\0')
				fail_msg("call %u: no words", n);
			if (vm_state(vm) == VM_ASLEEP) {
				struct restored k = {0};

				asleep++;
				assert_true(rc < 0);
				assert_non_null(strstr(e.msg, "chaos wake"));
				assert_int_equal(
					vm_wake(vm, "test", 0, on_restored, &k, &k.st, &k.r.err),
					0);
				work_until(k.r.called);
				if (k.r.rc < 0)
					fail_msg("%s", k.r.err.msg);
			}
			if (vm_state(vm) == VM_PAUSED)
				assert_int_equal(vm_unpause(vm, NULL), 0);
			work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 1);
			work_until(streams_test_count(en) == 0 && kernel_nbackends() == 1);
			is_paused(vm, false);
			if (rc == 0)
				assert_int_equal(get_byte(vm), 3);
			if (rc == 0 && !failed)
				break;
		}
		gone(vm);
		forget_snapshot("a");
		settle(0);
	}
	assert_true(asleep > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(it_is_as_it_was),	    DEVICES(disks_are_not_set_back),
		DEVICES(others_are_refused),	    DEVICES(it_changes_meanwhile),
		DEVICES(the_daemon_ends_meanwhile), DEVICES(calls_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
