/* SPDX-License-Identifier: BSD-3-Clause */
/* What is set of a VM that runs: checked before anything changes, and kept in its record. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <string.h>

#include "split-toolstack/engine/life/set.h"
#include "split-toolstack/engine/vm/parts.h"

static const struct vm_settings keep = {.weight = VM_SET_KEEP, .cap = VM_SET_KEEP};

static int set_cpu(struct vm *vm, uint32_t weight, uint32_t cap, struct err *e)
{
	struct vm_settings s = {.weight = weight, .cap = cap};

	return vm_set(vm, &s, e);
}

static void it_is_kept(void **state)
{
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;

	(void)state;
	assert_int_equal(vm_set(vm, &keep, NULL), 0);
	assert_int_equal(set_cpu(vm, 512, VM_SET_KEEP, NULL), 0);
	assert_int_equal(set_cpu(vm, VM_SET_KEEP, 50, NULL), 0);
	daemon_dies();
	daemon_starts();
	vm = engine_find(en, "web");
	assert_non_null(vm);
	assert_int_equal(vm_cfg(vm)->weight, 512);
	assert_int_equal(vm_cfg(vm)->cap, 50);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
}

static void refused(struct vm *vm, struct vm_settings s, int rc, const char *part)
{
	struct err e = {0};

	assert_int_equal(vm_set(vm, &s, &e), rc);
	if (!strstr(e.msg, part))
		fail_msg("\"%s\" is not in: %s", part, e.msg);
}

static void what_cannot_be_is_refused(void **state)
{
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;
	struct vm_settings s = keep;

	(void)state;
	s.weight = 0;
	refused(vm, s, -EINVAL, "1 to 65535");
	s.weight = 65536;
	refused(vm, s, -EINVAL, "1 to 65535");
	s.weight = 512;
	s.cap = 101;
	refused(vm, s, -EINVAL, "at most 100");
	s.cap = 50;
	s.mem_kib = 512;
	refused(vm, s, -EOPNOTSUPP, "no balloon driver");
	/* the others were not set either */
	assert_int_equal(vm_cfg(vm)->weight, 0);
	assert_int_equal(vm_cfg(vm)->cap, UINT32_MAX);
	s.mem_kib = 256; /* as it is */
	assert_int_equal(vm_set(vm, &s, NULL), 0);
	fake_fail_at(1, EPERM);
	assert_int_equal(set_cpu(vm, 700, VM_SET_KEEP, NULL), -EPERM);
	fake_fail_at(0, 0);
	assert_int_equal(vm_cfg(vm)->weight, 512);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	refused(engine_find(en, "web"), keep, -ESRCH, "has ended");
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {LIFE(it_is_kept), LIFE(what_cannot_be_is_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
