/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of the engine: whatever call fails, nothing is left. */
#include "tests/unit/engine/devices_help.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void creates_fail_clean(void **state)
{
	uint32_t files;

	(void)state;
	assert_int_equal(create(net_and_disk("warm-up"), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "warm-up"), NULL), 0);
	nothing_is_left(0);
	assert_int_equal(vm_rm(engine_find(en, "warm-up"), NULL), 0);
	files = open_files();
	for (uint32_t nth = 1;; nth++) {
		struct result r;
		bool through;

		r = create_failing(nth, net_and_disk("web"), &through);
		if (r.rc == 0) {
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
			nothing_is_left(0);
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		nothing_is_left(files);
		if (through) {
			assert_true(nth > 10);
			break;
		}
	}
}

static void attach_fails_clean(void **state)
{
	struct result r = create(other_guest("lin"), 0);

	(void)state;
	for (uint32_t nth = 1;; nth++) {
		struct device_config d = nth & 1 ? vbd() : vif("br0", "");
		struct answer a = {0};
		uint32_t files = open_files();
		bool through;

		fake_fail_at(nth, EIO);
		vm_attach(r.vm, &d, on_device, &a);
		work_for(3);
		through = !fake_failed();
		fake_fail_at(0, 0);
		assert_true(a.called);
		if (a.rc == 0) {
			a = (struct answer){0};
			vm_detach(r.vm, nth & 1 ? DEVICE_VBD : DEVICE_VIF, nth & 1 ? 51712 : 0,
				  true, on_device, &a);
			work_until(a.called);
		}
		assert_false(devices_test_any(en));
		assert_int_equal(vm_cfg(r.vm)->ndevice, 0);
		files_settle();
		assert_int_equal(open_files(), files);
		if (through && nth > 2)
			break;
	}
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

/* Every step of a detach, asked and forced; the VM may end in the middle of it. */
static void detach_fails_clean(void **state)
{
	(void)state;
	for (uint32_t nth = 1; nth < 12; nth++) {
		struct result r = create(other_guest("lin"), 0);
		struct device_config d = nth & 1 ? vbd() : vif("br0", "");
		enum device_kind kind = d.kind;
		const char *name = kind == DEVICE_VBD ? "vbd" : "vif";
		uint32_t devid = kind == DEVICE_VBD ? 51712 : 0;
		struct answer a = {0};
		bool gone;

		vm_attach(r.vm, &d, on_device, &a);
		work_for(3);
		assert_int_equal(a.rc, 0);
		a = (struct answer){0};
		fake_fail_at(nth / 4 + 1, EIO);
		vm_detach(r.vm, kind, devid, nth & 2, on_device, &a);
		gone = nth % 3 == 0 && vm_destroy(r.vm, NULL) == 0;
		if (!gone && !(nth & 2))
			say_state(name, vm_domid(r.vm), devid, 6);
		work_until(a.called);
		assert_true(a.called);
		assert_int_equal(vm_cfg(r.vm)->ndevice, 0);
		fake_fail_at(0, 0);
		if (!gone)
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		work_until(!devices_test_any(en));
		assert_false(devices_test_any(en));
		assert_int_equal(vm_rm(engine_find(en, "lin"), NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(creates_fail_clean),
		DEVICES(attach_fails_clean),
		DEVICES(detach_fails_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
