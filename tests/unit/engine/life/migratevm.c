/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a migration on the fake, one at a time: what runs after each step, also when the
 * daemon dies there. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/migrate.h"
#include "split-toolstack/engine/vm/parts.h"

/* It was given away. */
static struct vm *moving(enum dom_type type, bool paused, bool suspends)
{
	struct vm *vm = living("web", type);
	struct saved s;

	if (paused)
		assert_int_equal(vm_pause(vm, NULL), 0);
	if (suspends) {
		says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN);
		fake_busy(vm_domid(vm), true);
		assert_int_equal(begin(vm, memfd_create("saved", MFD_CLOEXEC), 0, &s), 0);
		fake_end(vm_domid(vm), SHUTDOWN_suspend);
		until(s.called);
	} else {
		(void)close(save(vm, 0, &s));
	}
	assert_int_equal(s.rc, 0);
	assert_int_equal(vm_save_move(en, s.id, NULL), 0);
	assert_int_equal(vm_save_end(en, s.id, false, &s.err), -ESRCH); /* its client goes */
	assert_int_equal(vm_state(vm), VM_MOVING);
	until(streams_test_count(en) == 0);
	return vm;
}

static void rests(const struct vm *vm, bool suspended)
{
	struct xen_domain_info info;

	tick();
	assert_int_equal(vm_state(vm), VM_MOVING);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	assert_true(suspended ? info.shutdown : info.paused);
}

static void runs(struct vm *vm)
{
	struct xen_domain_info info;

	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	assert_false(info.paused || info.shutdown);
}

static void nothing_else_is_left(struct vm *vm)
{
	if (vm)
		destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

/* It ran there, and the source hears of it, once more, too. */
static void it_ends_when_it_runs_elsewhere(void **state)
{
	(void)state;
	for (int suspends = 0; suspends < 2; suspends++) {
		struct vm *vm = moving(DOM_PVH, false, suspends);
		int code;

		rests(vm, suspends);
		assert_int_equal(vm_moved(vm, true, NULL), 0);
		assert_int_equal(vm_state(vm), VM_ENDED);
		assert_int_equal(vm_reason(vm, &code), VM_REASON_MIGRATED);
		assert_int_equal(vm_moved(vm, true, NULL), 0);
		assert_int_equal(vm_moved(vm, false, NULL), -EINVAL);
		assert_int_equal(vm_rm(vm, NULL), 0);
		nothing_else_is_left(NULL);
	}
}

static void it_goes_on_when_it_does_not(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		bool paused = i & 1, by_hand = i & 2, suspends = i & 4;
		struct vm *vm;

		if (paused && suspends)
			continue; /* a paused one cannot */
		vm = moving(DOM_PVH, paused, suspends);
		assert_int_equal(by_hand ? vm_unpause(vm, NULL) : vm_moved(vm, false, NULL), 0);
		if (paused && !by_hand) {
			assert_int_equal(vm_state(vm), VM_PAUSED);
			is_paused(vm, true);
			assert_int_equal(vm_unpause(vm, NULL), 0);
		}
		runs(vm);
		assert_int_equal(vm_moved(vm, true, NULL), -EINVAL);
		runs(vm);
		nothing_else_is_left(vm);
	}
}

static void nothing_else_lets_it_run(void **state)
{
	struct vm *vm = moving(DOM_PV, false, false);
	struct saved s;
	struct err e = {0};

	(void)state;
	assert_int_equal(vm_pause(vm, &e), -EBUSY);
	assert_non_null(strstr(err_msg(&e), "chaos unpause web"));
	assert_int_equal(begin(vm, memfd_create("saved", MFD_CLOEXEC), 0, &s), -EBUSY);
	assert_int_equal(vm_rename(vm, "other", NULL), -EBUSY);
	assert_int_equal(vm_shutdown(vm, false, NULL), -EBUSY);
	rests(vm, false);
	nothing_else_is_left(vm);
}

static void the_next_daemon_holds_it_too(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		bool suspends = i & 1, taken = i & 2;
		struct vm *vm = moving(DOM_PVH, false, suspends);

		for (int died = 0; died < 2; died++) {
			daemon_dies();
			daemon_starts();
			vm = engine_find(en, "web");
			assert_non_null(vm);
			rests(vm, suspends);
		}
		assert_int_equal(vm_moved(vm, taken, NULL), 0);
		if (taken) {
			assert_int_equal(vm_state(vm), VM_ENDED);
			daemon_dies();
			daemon_starts();
			vm = engine_find(en, "web");
			assert_non_null(vm);
			assert_int_equal(vm_moved(vm, true, NULL), 0); /* the answer was lost */
			assert_int_equal(vm_rm(vm, NULL), 0);
			vm = NULL;
		} else {
			runs(vm);
		}
		nothing_else_is_left(vm);
	}
}

/* Another toolstack destroys it. */
static void its_domain_goes(void **state)
{
	struct vm *vm = moving(DOM_PVH, false, false);

	(void)state;
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	until(vm_state(vm) == VM_ENDED);
	assert_int_equal(vm_rm(vm, NULL), 0);
	nothing_else_is_left(NULL);
}

/* --- the target --- */

static int file_of(enum dom_type type, bool paused)
{
	struct vm *vm = living("web", type);
	struct saved s;
	int file;

	if (paused)
		assert_int_equal(vm_pause(vm, NULL), 0);
	file = save(vm, VM_SAVE_KEEP, &s);
	assert_int_equal(s.rc, 0);
	nothing_else_is_left(vm);
	return file;
}

static struct vm *arriving(int file, uint32_t flags, stream_id *id)
{
	static struct restored k;

	k = (struct restored){0};
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(engine_restore(en, dup(file), NULL, VM_CREATE_ARRIVING | flags,
					on_restored, &k, &k.st, id, &k.r.err),
			 0);
	until(k.r.called);
	assert_int_equal(k.r.rc, 0);
	assert_int_equal(vm_state(k.r.vm), VM_BUILDING);
	assert_ptr_equal(vm_arriving(en, *id), k.r.vm);
	is_paused(k.r.vm, true);
	until(streams_test_count(en) == 0);
	return k.r.vm;
}

static void it_runs_when_it_was_given_here(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		bool paused = i & 2, offered = i & 4; /* paused, unlike when it was saved */
		int file = file_of(i & 1 ? DOM_PV : DOM_PVH, paused);
		stream_id id;
		struct vm *vm = arriving(file, offered ? VM_CREATE_PAUSED : 0, &id);

		assert_int_equal(vm_unpause(vm, NULL), -EBUSY);
		assert_int_equal(vm_arrival_end(en, id, true, NULL), 0);
		assert_int_equal(vm_state(vm), paused ? VM_PAUSED : VM_RUNNING);
		is_resumed(vm);
		assert_int_equal(vm_arrival_end(en, id, false, NULL), -ESRCH);
		assert_int_equal(vm_moved(vm, false, NULL), -EINVAL);
		assert_int_equal(vm_state(vm), paused ? VM_PAUSED : VM_RUNNING);
		daemon_dies();
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		assert_int_equal(vm_state(vm), paused ? VM_PAUSED : VM_RUNNING);
		is_paused(vm, paused);
		nothing_else_is_left(vm);
		(void)close(file);
	}
}

/* By its client, by the end of the daemon, by a destroy; what fails as it is to run is no VM. */
static void nothing_of_it_stays(void **state)
{
	int file = file_of(DOM_PVH, false);

	(void)state;
	for (int how = 0; how < 5; how++) {
		stream_id id;
		struct vm *vm = arriving(file, 0, &id);

		switch (how) {
		case 0:
			assert_int_equal(vm_arrival_end(en, id, false, NULL), -ECANCELED);
			break;
		case 1:
			daemon_dies();
			daemon_starts();
			break;
		case 2:
			destroy(vm);
			assert_int_equal(vm_arrival_end(en, id, true, NULL), -ESRCH);
			break;
		case 3: /* its source asks, and is told no */
			assert_int_equal(vm_moved(vm, true, NULL), -EINVAL);
			assert_int_equal(vm_moved(vm, false, NULL), 0);
			assert_int_equal(vm_arrival_end(en, id, true, NULL), -ESRCH);
			break;
		default:
			fake_fail_at(1, EIO);
			assert_int_equal(vm_arrival_end(en, id, true, NULL), -EIO);
			fake_fail_at(0, 0);
			break;
		}
		assert_null(engine_find(en, "web"));
		nothing_else_is_left(NULL);
	}
	(void)close(file);
}

/* One of its uuid has lived here before: that is as it was when it does not come. */
static void its_past_stays(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	int code;
	struct saved s;
	int file = save(vm, 0, &s);

	(void)state;
	assert_int_equal(vm_save_move(en, s.id, NULL), 0);
	assert_int_equal(vm_moved(vm, true, NULL), 0);
	for (int died = 0; died < 2; died++) {
		stream_id id;

		vm = arriving(file, 0, &id);
		if (died) {
			daemon_dies();
			daemon_starts();
		} else {
			assert_int_equal(vm_arrival_end(en, id, false, NULL), -ECANCELED);
		}
		vm = engine_find(en, "web");
		assert_non_null(vm);
		assert_int_equal(vm_state(vm), VM_ENDED);
		assert_int_equal(vm_reason(vm, &code), VM_REASON_MIGRATED);
	}
	assert_int_equal(vm_rm(vm, NULL), 0);
	nothing_else_is_left(NULL);
	(void)close(file);
}

/* On a host that does not know it, and home again; and where its source is trusted. */
static void its_kernel_waits_at_home(void **state)
{
	int with = file_of(DOM_PVH, false), without;
	struct saved s;
	stream_id id;
	struct vm *vm = arriving(with, 0, &id);

	(void)state;
	assert_int_equal(vm_arrival_end(en, id, true, NULL), 0);
	assert_null(vm_cfg(vm)->kernel);
	assert_int_equal(vm_cfg(vm)->on_reboot, VM_DESTROY);
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	without = save(vm, VM_SAVE_KEEP, &s);
	nothing_else_is_left(vm);
	vm = arriving(with, VM_RESTORE_PATHS, &id);
	assert_int_equal(vm_arrival_end(en, id, true, NULL), 0);
	assert_non_null(vm_cfg(vm)->kernel);
	assert_int_equal(vm_cfg(vm)->on_reboot, VM_RESTART);
	assert_int_equal(vm_destroy(vm, NULL), 0); /* to the history */
	settle(0);
	vm = arriving(without, 0, &id);
	assert_int_equal(vm_arrival_end(en, id, true, NULL), 0);
	assert_string_equal(vm_cfg(vm)->kernel, GUEST_NOOP);
	assert_int_equal(vm_cfg(vm)->on_reboot, VM_RESTART);
	nothing_else_is_left(vm);
	(void)close(with);
	(void)close(without);
}

static void room_is_asked_for(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct vm_config c = guest("other", DOM_PV, 256);

	(void)state;
	assert_int_equal(engine_admit(en, &c, NULL, NULL), 0);
	for (int lacks = 0; lacks < 3; lacks++) { /* a vendor, or a feature */
		struct save_needs n;

		assert_int_equal(vm_needs(vm, &n, NULL), 0);
		c.type = DOM_PVH;
		n.vendor = lacks == 1 ? 3 - n.vendor : n.vendor;
		if (lacks == 2)
			n.feature[n.words++] = UINT32_MAX;
		assert_int_equal(engine_admit(en, &c, &n, NULL), lacks ? -EOPNOTSUPP : 0);
		c.type = DOM_PV;
	}
	c.have_uuid = true;
	memcpy(c.uuid, vm_uuid_bytes(vm), sizeof(c.uuid));
	assert_int_equal(engine_admit(en, &c, NULL, NULL), -EEXIST);
	c.have_uuid = false;
	(void)strcpy(c.name, "web");
	assert_int_equal(engine_admit(en, &c, NULL, NULL), -EEXIST);
	(void)strcpy(c.name, "other");
	c.mem_kib = 1ull << 30;
	assert_int_equal(engine_admit(en, &c, NULL, NULL), -ENOMEM);
	c.mem_kib = 0;
	assert_true(engine_admit(en, &c, NULL, NULL) < 0);
	vm_config_clear(&c);
	nothing_else_is_left(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(it_ends_when_it_runs_elsewhere),
		LIFE(it_goes_on_when_it_does_not),
		LIFE(nothing_else_lets_it_run),
		LIFE(the_next_daemon_holds_it_too),
		LIFE(its_domain_goes),
		LIFE(it_runs_when_it_was_given_here),
		LIFE(nothing_of_it_stays),
		LIFE(its_past_stays),
		LIFE(its_kernel_waits_at_home),
		LIFE(room_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
