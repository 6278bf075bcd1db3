/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs out of files: whatever fails leaves nothing. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

#include <xen/sched.h> /* behind xenctrl.h */

static const enum dom_type types[] = {DOM_PV, DOM_PVH};

static void comes_out_of_a_shell(void **state)
{
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 256, .low = 1, .high = 1};
	struct saved s;
	struct vm *vm = living("web", DOM_PV);
	int file = save(vm, VM_SAVE_KEEP, &s);
	struct result r;

	(void)state;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	until(pool_ready() == 1);
	r = restore(file, "copy", 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_SHELL);
	is_resumed(r.vm);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	destroy(r.vm);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* In one turn of the loop: no thread is asked. */
static void a_small_one_goes_into_a_shell_at_once(void **state)
{
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 256, .low = 1, .high = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct saved s;
		struct vm *vm = living("web", types[i]);
		int file = save(vm, VM_SAVE_KEEP, &s);
		struct restored k = {0};
		int rc;

		f.type = types[i];
		f.low = f.high = 1;
		assert_int_equal(pool_set(en, &f, NULL), 0);
		until(pool_ready() == 1);
		rc = engine_restore(en, dup(file), "copy", VM_CREATE_WAIT_READY, on_restored, &k,
				    &k.st, &k.id, &k.r.err);
		assert_int_equal(rc, 0);
		assert_non_null(engine_find(en, "copy"));
		is_resumed(engine_find(en, "copy"));
		assert_false(k.r.called); /* nothing was heard of its guest */
		fake_event(vm_domid(engine_find(en, "copy")));
		until(k.r.called);
		assert_int_equal(k.r.rc, 0);
		assert_int_equal(k.r.way, VM_SHELL);
		f.low = f.high = 0;
		assert_int_equal(pool_set(en, &f, NULL), 0);
		destroy(k.r.vm);
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
		(void)close(file);
	}
}

static void damage_is_found_before_there_is_a_domain(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct saved s;
	int file = save(vm, VM_SAVE_KEEP, &s);
	off_t bytes = lseek(file, 0, SEEK_END);
	struct result r;
	char byte;

	(void)state;
	assert_int_equal(pread(file, &byte, 1, bytes - 9), 1);
	byte ^= 1;
	assert_int_equal(pwrite(file, &byte, 1, bytes - 9), 1);
	r = restore(file, "copy", 0);
	assert_int_equal(r.rc, -EPROTO);
	assert_null(engine_find(en, "copy"));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ftruncate(file, i == 0 ? bytes - 1 : i == 1 ? 40 : 0), 0);
		assert_int_equal(restore(file, "copy", 0).rc, -EPROTO);
	}
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* Otherwise a crafted file could make root open any file, and boot it. */
static void paths_of_an_unknown_file_do_not_count(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct saved s;
	int file = save(vm, 0, &s);
	struct result r;
	int reason;

	(void)state;
	assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
	settle(0);
	r = restore(file, NULL, 0); /* this host has made it */
	assert_int_equal(r.rc, 0);
	assert_non_null(vm_cfg(r.vm)->kernel);
	assert_int_equal(vm_cfg(r.vm)->on_reboot, VM_RESTART);
	destroy(r.vm); /* and has forgotten it */
	settle(0);
	for (int again = 0; again < 2; again++) { /* the one in the history was made of the file */
		r = restore(file, NULL, 0);
		assert_int_equal(r.rc, 0);
		assert_null(vm_cfg(r.vm)->kernel);
		assert_null(vm_cfg(r.vm)->ramdisk);
		fake_end(vm_domid(r.vm), SHUTDOWN_reboot);
		until(vm_state(r.vm) == VM_ENDED);
		assert_int_equal(vm_reason(r.vm, &reason), VM_REASON_REBOOT);
		settle(0);
	}
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* It was made of an open file. */
static void one_without_a_kernel_is_restored(void **state)
{
	struct vm_config c = guest("web", DOM_PVH, 256);
	struct saved s;
	struct result r;
	int file;

	(void)state;
	c.kernel_fd = open(c.kernel, O_RDONLY | O_CLOEXEC);
	assert_true(c.kernel_fd >= 0);
	free(c.kernel);
	c.kernel = NULL;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	says(r.vm, NOXS_CAN_SAVE);
	assert_int_equal(vm_rename(r.vm, "other", NULL), 0);
	file = save(r.vm, 0, &s);
	assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
	settle(0);
	r = restore(file, NULL, 0);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	destroy(r.vm);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* As after "chaos save web f && chaos restore f" of one that fills the host. */
static void it_waits_for_memory_of_the_saved_one(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct restored k = {0};
	struct saved s;
	int file = save(vm, 0, &s);

	(void)state;
	fake_hold_destroy(vm_domid(vm));
	assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
	fake_set_free(10);
	assert_int_equal(
		engine_restore(en, dup(file), NULL, 0, on_restored, &k, &k.st, &k.id, &k.r.err), 0);
	until(k.r.called || vm_state(engine_find(en, "web")) == VM_BUILDING);
	tick();
	assert_false(k.r.called);
	assert_int_equal(memory_builds(en), 1);
	fake_hold_destroy(0);
	until(k.r.called);
	assert_int_equal(k.r.rc, 0);
	assert_int_equal(memory_builds(en), 0);
	fake_set_free(1u << 20);
	destroy(k.r.vm);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

static void so_many_at_a_time(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct restored k[STREAMS_MOST + 1] = {0};
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	for (uint32_t i = 0; i <= STREAMS_MOST; i++)
		k[i].r.rc = engine_restore(en, dup(fd[0]), NULL, 0, on_restored, &k[i], &k[i].st,
					   &k[i].id, &k[i].r.err);
	assert_int_equal(k[STREAMS_MOST - 1].r.rc, 0);
	assert_int_equal(k[STREAMS_MOST].r.rc, -EBUSY);
	for (uint32_t i = 0; i < STREAMS_MOST; i++)
		vm_restore_cancel(en, k[i].id);
	for (uint32_t i = 0; i < STREAMS_MOST; i++) {
		until(k[i].r.called);
		assert_int_equal(k[i].r.rc, -ECANCELED);
	}
	assert_int_equal(streams_test_count(en), 0);
	(void)close(fd[0]);
	(void)close(fd[1]);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

static void a_restore_can_be_given_up(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct saved s;
	int file = save(vm, 0, &s);
	off_t bytes = lseek(file, 0, SEEK_END);
	char *all = malloc((size_t)bytes);

	(void)state;
	assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
	settle(0);
	assert_int_equal(pread(file, all, (size_t)bytes, 0), bytes);
	for (int closes = 0; closes < 2; closes++) {
		struct restored k = {0};
		int fd[2];

		assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
		assert_int_equal(fcntl(fd[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
		assert_int_equal(write(fd[1], all, (size_t)bytes - 1), bytes - 1);
		assert_int_equal(
			engine_restore(en, fd[0], NULL, 0, on_restored, &k, &k.st, &k.id, &k.r.err),
			0);
		until(vm_state(engine_find(en, "web")) == VM_BUILDING);
		if (closes) {
			engine_close(en);
			en = NULL;
			assert_true(k.r.called);
			assert_int_equal(k.r.rc, -ECANCELED);
			daemon_starts();
			assert_int_equal(vm_state(engine_find(en, "web")), VM_ENDED);
		} else {
			assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
			assert_true(k.r.called);
			assert_int_equal(k.r.rc, -ECANCELED);
			until(streams_test_count(en) == 0);
		}
		(void)close(fd[1]);
		settle(0);
		only_the_daemon_is_left();
	}
	free(all);
	(void)close(file);
}

static void failing_restores_leave_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		struct saved s;
		int file = save(vm, 0, &s);
		uint32_t files;

		assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
		settle(0);
		files = open_files();
		for (uint32_t nth = 1;; nth++) {
			struct result r;

			fake_fail_at(nth, i ? ENOMEM : EIO);
			r = restore(file, NULL, 0);
			if (r.rc == 0 && !fake_failed()) {
				assert_true(nth > 12);
				break;
			}
			fake_fail_at(0, 0);
			if (r.rc < 0 && r.err.msg[0] == '\0')
				fail_msg("call %u: no words", nth);
			if (r.rc == 0)
				assert_int_equal(vm_destroy(r.vm, NULL), 0);
			assert_int_equal(vm_state(engine_find(en, "web")), VM_ENDED);
			settle(0);
			until(streams_test_count(en) == 0);
			only_the_daemon_is_left();
			assert_int_equal(open_files(), files);
		}
		fake_fail_at(0, 0);
		destroy(engine_find(en, "web"));
		settle(0);
		only_the_daemon_is_left();
		(void)close(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(comes_out_of_a_shell),
		LIFE(a_small_one_goes_into_a_shell_at_once),
		LIFE(damage_is_found_before_there_is_a_domain),
		LIFE(paths_of_an_unknown_file_do_not_count),
		LIFE(one_without_a_kernel_is_restored),
		LIFE(it_waits_for_memory_of_the_saved_one),
		LIFE(so_many_at_a_time),
		LIFE(a_restore_can_be_given_up),
		LIFE(failing_restores_leave_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
