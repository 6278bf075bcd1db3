/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that sleep, at a start that cannot read their folder or their files. */
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/life/savevm_help.h"
#include "tests/unit/readdir_help.h"

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	(void)st;
	s->called = true;
	s->rc = rc;
	if (e)
		s->err = *e;
}

static void put_to_sleep(struct vm *vm)
{
	struct saved s = {0};

	assert_int_equal(vm_sleep(vm, on_slept, &s, &s.err), 0);
	until(s.called);
	if (s.rc < 0)
		fail_msg("%s", err_msg(&s.err));
	assert_int_equal(vm_state(vm), VM_ASLEEP);
}

/* Nothing is in the run directory, and Xen has no domain. */
static void the_host_goes_down(void)
{
	char command[300];

	if (en)
		engine_close(en);
	en = NULL;
	fake_process_died();
	(void)snprintf(command, sizeof(command), "rm -rf %s", conf().run_dir);
	assert_int_equal(system(command), 0);
}

static int boot(struct err *e)
{
	struct engine_conf c = conf();

	return engine_open(loop, &c, &en, e);
}

/* --- the folder --- */

static void a_folder_that_cannot_be_read_refuses_the_start(void **state)
{
	uint32_t refused = 0;
	bool failed = true;
	char name[16];

	(void)state;
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "web%d", i);
		put_to_sleep(living(name, DOM_PV));
	}
	settle(0);
	for (uint32_t nth = 1; failed; nth++) {
		struct err e = {0};
		int rc;

		the_host_goes_down();
		readdir_fail_at(nth);
		rc = boot(&e);
		failed = readdir_failed();
		readdir_fail_at(0);
		if (rc < 0) {
			assert_non_null(strstr(err_msg(&e), "read the folder"));
			refused++;
			assert_int_equal(boot(NULL), 0);
		}
		if (vms_count(en) != 4)
			fail_msg("call %u: %u VMs", nth, vms_count(en));
	}
	assert_true(refused > 4);
	know_image(GUEST_NOOP);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "web%d", i);
		assert_int_equal(vm_state(engine_find(en, name)), VM_ASLEEP);
		destroy(engine_find(en, name));
	}
	settle(0);
	only_the_daemon_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_folder_that_cannot_be_read_refuses_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
