/* SPDX-License-Identifier: BSD-3-Clause */
/* rcu_expedited of dom0's kernel: set while backends are removed, and put back, also by the daemon
 * after one that was killed in between. */
#include "tests/unit/engine/devices_help.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/parts/parts_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int with_hurry(void **state)
{
	struct engine_conf c;
	int rc = devices_start_test(state);

	engine_close(en);
	c = conf();
	c.limits.rcu_expedited = true;
	return rc == 0 ? engine_open(loop, &c, &en, NULL) : rc;
}

#define HURRY(f) cmocka_unit_test_setup_teardown(f, with_hurry, devices_stop_test)

static bool is_marked(void)
{
	char path[512];
	char ours = '0';
	int fd;

	(void)snprintf(path, sizeof(path), "%s/rcu_expedited", conf().run_dir);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, &ours, 1) >= 0);
	assert_int_equal(close(fd), 0);
	return ours == '1';
}

/* A device of the kernel's is on its way out. */
static struct vm *removing(void)
{
	struct result r = create(net_and_disk("web"), 0);

	work_for(3);
	assert_int_equal(connected(r.vm), 2);
	assert_int_equal(kernel_rcu_expedited(), 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	return r.vm;
}

static void it_is_set_meanwhile(void **state)
{
	(void)state;
	(void)removing();
	assert_int_equal(kernel_rcu_expedited(), 1);
	assert_true(is_marked());
	nothing_is_left(0);
	assert_int_equal(kernel_rcu_expedited(), 0);
	assert_false(is_marked());
}

/* The setting of the host's owner is left alone. */
static void what_was_set_stays(void **state)
{
	struct result r = create(net_and_disk("web"), 0);

	(void)state;
	work_for(3);
	(void)kernel_set_rcu_expedited(true);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	assert_false(is_marked());
	nothing_is_left(0);
	assert_int_equal(kernel_rcu_expedited(), 1);
	engine_close(en);
	assert_int_equal(kernel_rcu_expedited(), 1);
	en = NULL;
}

static void a_killed_daemons_is_put_back(void **state)
{
	struct engine_conf c = conf();

	(void)state;
	(void)removing();
	assert_true(is_marked());
	engine_test_settings(en)->limits.rcu_expedited = false; /* a killed one puts nothing back */
	engine_close(en);
	assert_int_equal(kernel_rcu_expedited(), 1);
	assert_true(is_marked());
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(kernel_rcu_expedited(), 0); /* also by one that would not set it */
	assert_false(is_marked());
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HURRY(it_is_set_meanwhile),
		HURRY(what_was_set_stays),
		HURRY(a_killed_daemons_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
