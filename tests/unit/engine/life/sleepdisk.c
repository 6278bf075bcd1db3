/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs with disks that sleep: memory never runs beside a disk that is newer. */
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/vm/state.h"
#include "tests/unit/engine/devices_help.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

#include "base/uuid.h"
#include "split-toolstack/engine/vm/parts.h"

#define CAN (NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES)

/* Instead of libc's: of folders it takes until the test lets it. */
static atomic_bool held;
static atomic_uint waiting;

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && atomic_load(&held)) {
		atomic_fetch_add(&waiting, 1);
		while (atomic_load(&held))
			usleep(1000);
	}
	return (int)syscall(SYS_fsync, fd);
}

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	(void)st;
	s->called = true;
	s->rc = rc;
	if (e)
		s->err = *e;
}

static struct vm *sleeping(void)
{
	struct result r = create(net_and_disk("web"), 0);
	struct saved s = {0};

	assert_int_equal(r.rc, 0);
	work_until(vm_state(r.vm) == VM_RUNNING && connected(r.vm) == vm_cfg(r.vm)->ndevice);
	says(r.vm, CAN);
	assert_int_equal(vm_sleep(r.vm, on_slept, &s, &s.err), 0);
	fake_end(vm_domid(r.vm), SHUTDOWN_suspend);
	work_until(s.called);
	if (s.rc < 0)
		fail_msg("%s", s.err.msg);
	work_until(kernel_nbackends() == 0);
	assert_int_equal(vm_state(r.vm), VM_ASLEEP);
	return r.vm;
}

static struct result wake(struct vm *vm, uint32_t flags)
{
	struct restored k = {0};

	k.r.rc = vm_wake(vm, "test", flags, on_restored, &k, &k.st, &k.r.err);
	if (k.r.rc == 0)
		work_until(k.r.called);
	return k.r;
}

static void write_disk(void)
{
	int fd = open(disk, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 4096), 1);
	assert_int_equal(close(fd), 0);
}

static void gone(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	work_until(kernel_nbackends() == 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

static void disk_was_written_meanwhile(void **state)
{
	struct vm *vm = sleeping();
	struct result r;

	(void)state;
	write_disk();
	r = wake(vm, 0);
	assert_int_equal(r.rc, -ESTALE);
	assert_non_null(strstr(r.err.msg, "--disk keep"));
	assert_non_null(strstr(r.err.msg, "stays asleep"));
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_true(has_file(vm_uuid_bytes(vm)));
	work_until(kernel_nbackends() == 0);
	r = wake(vm, VM_RESTORE_DISKS_KEEP);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 2 &&
		   !has_file(vm_uuid_bytes(vm)));
	gone(vm);
}

static void disk_is_as_it_was(void **state)
{
	struct vm *vm = sleeping();

	(void)state;
	assert_int_equal(wake(vm, 0).rc, 0);
	work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 2 &&
		   !has_file(vm_uuid_bytes(vm)));
	gone(vm);
}

/* Power that fails finds the file or a VM that has written nothing. */
static void its_file_is_gone_before_it_runs(void **state)
{
	struct vm *vm = sleeping();
	struct restored k = {0};

	(void)state;
	work_for(100); /* what deletes is at rest */
	atomic_store(&waiting, 0);
	atomic_store(&held, true);
	assert_int_equal(vm_wake(vm, "test", 0, on_restored, &k, &k.st, &k.r.err), 0);
	work_until(k.r.called && atomic_load(&waiting) > 0 && connected(vm) == 2);
	assert_int_equal(k.r.rc, 0);
	assert_false(has_file(vm_uuid_bytes(vm)));
	work_for(50);
	is_paused(vm, true);
	assert_int_equal(vm_pause(vm, NULL), 0); /* a client that is in between */
	assert_int_equal(vm_unpause(vm, NULL), 0);
	is_paused(vm, true);
	atomic_store(&held, false);
	work_until(life_now(vm) == NOW_RUNNING);
	is_paused(vm, false);
	gone(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(disk_was_written_meanwhile),
		DEVICES(disk_is_as_it_was),
		DEVICES(its_file_is_gone_before_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
