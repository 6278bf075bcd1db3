/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM that is put to sleep again before the first sleep has ended: its file is never lost. */
#include "split-toolstack/engine/life/sleep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/life/savevm_help.h"

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	(void)st;
	assert_false(s->called);
	s->called = true;
	s->rc = rc;
	if (e)
		s->err = *e;
}

/* Its file has its name, and the loop has not heard of that. */
static struct vm *named_file(struct saved *s)
{
	struct vm *vm = living("web", DOM_PV);

	assert_int_equal(vm_sleep(vm, on_slept, s, &s->err), 0);
	while (!has_file(vm_uuid_bytes(vm))) {
		assert_int_equal(vm_state(vm), VM_SAVING);
		(void)ev_run(loop, EVRUN_NOWAIT);
		usleep(2000);
	}
	return vm;
}

static void sleeps_and_wakes(struct vm *vm)
{
	struct restored k = {0};

	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_true(has_file(vm_uuid_bytes(vm)));
	settle(0);
	assert_int_equal(vm_wake(vm, "test", 0, on_restored, &k, &k.st, NULL), 0);
	until(k.r.called);
	assert_int_equal(k.r.rc, 0);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

static void asked_for_twice(void **state)
{
	struct saved s = {0};
	struct saved t = {0};
	struct vm *vm = named_file(&s);

	(void)state;
	if (!s.called) {
		assert_int_equal(vm_sleep(vm, on_slept, &t, &t.err), -EBUSY);
		assert_true(has_file(vm_uuid_bytes(vm)));
		until(s.called);
	}
	assert_int_equal(s.rc, 0);
	assert_false(t.called);
	sleeps_and_wakes(vm);
}

static void unpaused_and_asked_again(void **state)
{
	struct saved s = {0};
	struct saved t = {0};
	struct vm *vm = named_file(&s);

	(void)state;
	if (!s.called && vm_unpause(vm, NULL) == 0) {
		says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
		assert_int_equal(vm_sleep(vm, on_slept, &t, &t.err), -EBUSY);
		assert_non_null(strstr(err_msg(&t.err), "try again"));
		until(s.called);
		assert_true(s.rc < 0);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		until(!has_file(vm_uuid_bytes(vm)));
		assert_int_equal(vm_sleep(vm, on_slept, &t, &t.err), 0);
		until(t.called);
		assert_int_equal(t.rc, 0);
	}
	sleeps_and_wakes(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(asked_for_twice),
		LIFE(unpaused_and_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
