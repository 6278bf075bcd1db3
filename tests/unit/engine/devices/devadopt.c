/* SPDX-License-Identifier: BSD-3-Clause */
/* The next daemon: what it knows of disks, and those whose loop device went with the last one. */
#include "tests/unit/engine/devices_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void next_daemon(void)
{
	struct engine_conf c = conf();

	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	files_settle();
}

static void on_disk(const struct device_info *d, void *arg)
{
	if (d->config->kind == DEVICE_VBD)
		memcpy(arg, d, sizeof(*d));
}

static struct device_info disk_of(struct vm *vm)
{
	struct device_info d = {0};

	vm_for_each_device(vm, on_disk, &d);
	assert_non_null(d.config);
	return d;
}

static void is_refused(const char *name)
{
	struct vm_config c = guest(name, DOM_PV, 4096);
	struct result r;

	give(&c, vbd());
	r = create(c, 0);
	assert_int_equal(r.rc, -EBUSY);
}

static void disks_are_known(void **state)
{
	struct vm *vm = create(net_and_disk("web"), 0).vm;
	char there[sizeof(disk) + 8];

	(void)state;
	assert_int_equal(disk_of(vm).sectors, 2048);
	for (int connects = 0; connects < 2; connects++) {
		work_for(connects ? 3 : 0);
		next_daemon();
		vm = engine_find(en, "web");
		assert_int_equal(disk_of(vm).sectors, 2048);
		assert_string_equal(disk_of(vm).reason, "");
		is_refused("thief");
	}
	/* the file has another name now: its loop device has it still */
	(void)snprintf(there, sizeof(there), "%s.old", disk);
	assert_int_equal(rename(disk, there), 0);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(disk_of(vm).sectors, 2048);
	assert_int_equal(connected(vm), 2);
	assert_int_equal(rename(there, disk), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	nothing_is_left(0);
}

/* Nobody held it when the last daemon died, and it is another file's now. */
static void lost_loops_come_again(void **state)
{
	struct vm *vm = create(net_and_disk("web"), 0).vm;
	uint32_t domid = vm_domid(vm);

	(void)state;
	assert_string_equal(physical_device(domid), "7:0");
	kernel_lose_loops(1);
	next_daemon();
	vm = engine_find(en, "web");
	assert_string_equal(physical_device(domid), "7:1");
	assert_int_equal(disk_of(vm).sectors, 2048);
	is_refused("thief");
	work_for(3);
	assert_int_equal(connected(vm), 2);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	nothing_is_left(0);
}

static void lost_files_are_said(void **state)
{
	char there[sizeof(disk) + 8];
	struct vm *vm;

	(void)state;
	assert_int_equal(create(net_and_disk("web"), 0).rc, 0);
	(void)snprintf(there, sizeof(there), "%s.old", disk);
	assert_int_equal(rename(disk, there), 0);
	kernel_lose_loops(0);
	next_daemon();
	vm = engine_find(en, "web");
	assert_non_null(strstr(disk_of(vm).reason, "its loop device is gone: "));
	assert_int_equal(rename(there, disk), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(disks_are_known),
		DEVICES(lost_loops_come_again),
		DEVICES(lost_files_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
