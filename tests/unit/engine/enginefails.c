/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine on the fake hypervisor: every Nth failing call ends clean. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void fail_each(const char *kernel, enum dom_type type, int error)
{
	uint32_t files;

	assert_int_equal(create(with_kernel(guest("warm-up", type, 4096), kernel), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "warm-up"), NULL), 0);
	settle(0);
	assert_int_equal(vm_rm(engine_find(en, "warm-up"), NULL), 0);
	files = open_files();
	for (uint32_t nth = 1;; nth++) {
		struct result r;

		fake_fail_at(nth, error);
		r = create(with_kernel(guest("web", type, 4096), kernel), 0);
		if (r.rc == 0 && !fake_failed()) {
			assert_true(nth > 8); /* create makes more calls than that */
			fake_fail_at(0, 0);
			break;
		}
		fake_fail_at(0, 0);
		if (r.rc < 0) {
			if (r.err.msg[0] == '\0')
				fail_msg("call %u: no words", nth);
			assert_null(engine_find(en, "web"));
		} else { /* a call that may fail, as a notify */
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
			settle(0);
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		settle(0);
		only_the_daemon_is_left();
		assert_int_equal(open_files(), files);
	}
	for (uint32_t nth = 1; nth < 8; nth++) {
		struct vm *vm = engine_find(en, "web");

		assert_non_null(vm);
		fake_fail_at(nth, error);
		if (vm_destroy(vm, NULL) == 0) {
			settle(0);
			fake_fail_at(0, 0);
			only_the_daemon_is_left();
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
			assert_int_equal(
				create(with_kernel(guest("web", type, 4096), kernel), 0).rc, 0);
		}
		fake_fail_at(0, 0);
	}
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	settle(0);
	only_the_daemon_is_left();
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
}

static void pv_fails_clean(void **state)
{
	(void)state;
	fail_each(GUEST_NOOP, DOM_PV, EIO);
	fail_each(GUEST_VIEW, DOM_PV, ENOMEM);
}

static void pvh_fails_clean(void **state)
{
	(void)state;
	fail_each(GUEST_NOOP, DOM_PVH, ENOMEM);
	fail_each(GUEST_VIEW, DOM_PVH, EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(pv_fails_clean),
		LIFE(pvh_fails_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
