/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs back to a snapshot, in place: what of them stays, what is as it was, and that a call that
 * fails leaves one that goes on, or one that is paused and can be set back again. */
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/life/kept.h"
#include "split-toolstack/engine/life/rollback.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/snapshot.h"
#include "split-toolstack/engine/vm/parts.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <xen/sched.h> /* behind xenctrl.h */

static const enum dom_type types[] = {DOM_PV, DOM_PVH};

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
	struct over o = {0};

	assert_int_equal(vm_snapshot(vm, name, on_snapshot, &o, &o.err), 0);
	until(o.called);
	if (o.rc < 0)
		fail_msg("%s", o.err.msg);
}

static int rollback(struct vm *vm, const char *name, struct err *e)
{
	struct over o = {0};
	int rc = vm_rollback(vm, name, 0, on_rollback, &o, e);

	if (rc < 0)
		return rc;
	until(o.called);
	*e = o.err;
	until(streams_test_count(en) == 0);
	return o.rc;
}

static uint64_t generation(const struct vm *vm)
{
	const struct noxs_page *p = fake_page(vm_domid(vm), vm_dev_frame(vm));
	uint64_t g;

	assert_non_null(p);
	g = p->generation;
	(void)munmap((void *)(uintptr_t)p, 4096);
	return g;
}

/* Instead of libc's: it takes until the test lets it. */
static atomic_bool held;
static atomic_bool waiting;

int fsync(int fd)
{
	while (atomic_load(&held)) {
		atomic_store(&waiting, true);
		usleep(1000);
	}
	return (int)syscall(SYS_fsync, fd);
}

/* What is named only after a rollback is nothing that the VM comes from. */
static void set_back_while_another_is_named(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct over o = {0};
	struct err e = {0};
	char first[65];

	(void)state;
	snapshot(vm, "a");
	(void)snprintf(first, sizeof(first), "%s", vm_cfg(vm)->snapshot);
	set_byte(vm, 7);
	atomic_store(&held, true);
	assert_int_equal(vm_snapshot(vm, "b", on_snapshot, &o, &o.err), 0);
	until(atomic_load(&waiting));
	if (rollback(vm, "a", &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(o.called);
	atomic_store(&held, false);
	until(o.called);
	assert_int_equal(o.rc, 0);
	assert_string_equal(vm_cfg(vm)->snapshot, first);
	destroy(vm);
}

static void it_is_as_it_was(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		uint32_t domid = vm_domid(vm);
		struct err e = {0};
		uint64_t before;

		assert_int_equal(rollback(vm, NULL, &e), -ENOENT);
		assert_non_null(strstr(e.msg, "no snapshot"));
		assert_int_equal(rollback(vm, "other", &e), -ENOENT);
		set_byte(vm, 7);
		snapshot(vm, i ? "b" : "a");
		before = generation(vm);
		for (uint8_t k = 0; k < 3; k++) {
			set_byte(vm, 100 + k);
			if (rollback(vm, k ? NULL : i ? "b" : "a", &e) < 0)
				fail_msg("%s", e.msg);
			assert_int_equal(get_byte(vm), 7);
			assert_int_equal(vm_domid(vm), domid);
			assert_int_equal(vm_state(vm), VM_RUNNING);
			is_paused(vm, false);
			is_resumed(vm);
			assert_true(generation(vm) != before);
			before = generation(vm);
			fake_event(domid); /* its channel is heard */
			tick();
		}
		assert_int_equal(vm_pause(vm, NULL), 0);
		assert_int_equal(rollback(vm, NULL, &e), 0);
		assert_int_equal(vm_state(vm), VM_PAUSED);
		is_paused(vm, true);
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct err e = {0};
	struct result r;
	struct over o = {0};

	(void)state;
	snapshot(vm, "s");
	r = create(guest("other", DOM_PV, 512), 0);
	assert_int_equal(r.rc, 0);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	assert_int_equal(rollback(r.vm, "s", &e), -EINVAL);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	is_paused(r.vm, false);
	says(r.vm, 0);
	assert_int_equal(rollback(r.vm, "s", &e), -EOPNOTSUPP);
	destroy(r.vm);
	/* it goes while the file is read, which was not before */
	set_byte(vm, 9);
	snapshot(vm, "t");
	assert_int_equal(vm_rollback(vm, NULL, 0, on_rollback, &o, &e), 0);
	destroy(vm);
	until(o.called);
	assert_int_equal(o.rc, -ESRCH);
	until(streams_test_count(en) == 0);
	settle(0);
	only_the_daemon_is_left();
}

/* To the ones that are in memory, and the others. */
static void many_states(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < KEPT_MOST + 2; i++) {
		(void)snprintf(name, sizeof(name), "m%u", i);
		set_byte(vm, (uint8_t)(100 + i));
		snapshot(vm, name);
	}
	for (uint32_t i = 0; i < 2 * (KEPT_MOST + 2); i++) {
		struct err e = {0};

		(void)snprintf(name, sizeof(name), "m%u", i / 2);
		set_byte(vm, 1);
		if (rollback(vm, name, &e) < 0)
			fail_msg("%s: %s", name, e.msg);
		assert_int_equal(get_byte(vm), 100 + i / 2);
		assert_non_null(kept_find(en, vm_cfg(vm)->snapshot));
	}
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

/* A VM that was made of it. */
static struct vm *of_snapshot(const char *name)
{
	struct restored k = {0};

	assert_int_equal(
		engine_create_from(en, name, "web", NULL, 0, on_restored, &k, &k.st, &k.r.err), 0);
	until(k.r.called);
	assert_int_equal(k.r.rc, 0);
	return k.r.vm;
}

static void failing_calls(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		struct err e = {0};

		set_byte(vm, 7);
		snapshot(vm, i ? "d" : "c");
		for (uint32_t nth = 1;; nth++) {
			bool failed;
			int rc;

			e = (struct err){0};
			set_byte(vm, 1);
			fake_fail_at(nth, EIO);
			rc = rollback(vm, NULL, &e);
			failed = fake_failed() != NULL;
			fake_fail_at(0, 0);
			if (rc < 0 && e.msg[0] == '\0')
				fail_msg("call %u: no words", nth);
			if (rc == 0)
				assert_int_equal(get_byte(vm), 7);
			if (vm_state(vm) == VM_PAUSED && types[i] == DOM_PV) { /* it is lost */
				assert_non_null(strstr(e.msg, "paused"));
				destroy(vm);
				vm = of_snapshot("c");
			} else if (vm_state(vm) == VM_PAUSED) { /* half set back: once more */
				assert_true(rc < 0);
				is_paused(vm, true);
				if (rollback(vm, NULL, &e) < 0)
					fail_msg("call %u, again: %s", nth, e.msg);
				assert_int_equal(get_byte(vm), 7);
				assert_int_equal(vm_unpause(vm, NULL), 0);
			}
			assert_int_equal(vm_state(vm), VM_RUNNING);
			is_paused(vm, false);
			if (rc == 0 && !failed)
				break;
		}
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* Its channel was found by this daemon, and its domain made by the one before. */
static void one_that_was_taken_over(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		struct err e = {0};

		set_byte(vm, 7);
		snapshot(vm, i ? "f" : "e");
		daemon_dies();
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		set_byte(vm, 1);
		if (rollback(vm, NULL, &e) < 0)
			fail_msg("%s", e.msg);
		assert_int_equal(get_byte(vm), 7);
		is_resumed(vm);
		is_paused(vm, false);
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(it_is_as_it_was),
		LIFE(set_back_while_another_is_named),
		LIFE(what_does_not_fit_is_refused),
		LIFE(many_states),
		LIFE(failing_calls),
		LIFE(one_that_was_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
