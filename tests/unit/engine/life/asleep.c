/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that sleep: their files, other daemons, reboots of the host, and what goes wrong. */
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <xen/sched.h> /* behind xenctrl.h */

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	assert_false(s->called);
	s->called = true;
	s->rc = rc;
	s->st = *st;
	if (e)
		s->err = *e;
}

static void put_to_sleep(struct vm *vm)
{
	struct saved s = {0};

	assert_int_equal(vm_sleep(vm, on_slept, &s, &s.err), 0);
	assert_int_equal(vm_state(vm), VM_SAVING);
	until(s.called);
	if (s.rc < 0)
		fail_msg("%s", err_msg(&s.err));
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_int_equal(vm_domid(vm), 0);
	assert_int_equal(s.st.pages, 64);
	assert_true(has_file(vm_uuid_bytes(vm)));
}

static struct result wake(struct vm *vm, uint32_t flags)
{
	struct restored k = {0};

	k.r.rc = vm_wake(vm, "test", flags, on_restored, &k, &k.st, &k.r.err);
	if (k.r.rc == 0)
		until(k.r.called);
	if (k.r.rc == 0)
		assert_int_equal(k.st.pages, 64);
	return k.r;
}

static void is_woken(struct vm *vm, uint32_t flags)
{
	struct result r = wake(vm, flags);

	if (r.rc < 0)
		fail_msg("%s", err_msg(&r.err));
	assert_ptr_equal(r.vm, vm);
	assert_int_equal(vm_state(vm), flags ? VM_PAUSED : VM_RUNNING);
	is_resumed(vm);
	assert_false(has_file(vm_uuid_bytes(vm)));
}

/* Nothing is in the run directory, and Xen has no domain. */
static void the_host_boots(void)
{
	struct engine_conf c = conf();
	char command[300];

	settle(0);
	engine_close(en);
	fake_process_died();
	(void)snprintf(command, sizeof(command), "rm -rf %s", c.run_dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	know_image(GUEST_NOOP);
}

static void next_daemon(void)
{
	struct engine_conf c = conf();

	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	know_image(GUEST_NOOP);
}

static void is_gone(struct vm *vm)
{
	uint8_t uuid[16];

	vm_uuid(vm, uuid);
	destroy(vm);
	settle(0);
	assert_false(has_file(uuid));
	only_the_daemon_is_left();
}

static void sleeps_and_wakes(void **state)
{
	static const enum dom_type types[] = {DOM_PV, DOM_PVH};
	struct err e = {0};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		uint8_t uuid[16];
		struct result r;

		vm_uuid(vm, uuid);
		for (int again = 0; again < 3; again++) {
			put_to_sleep(vm);
			assert_ptr_equal(engine_find(en, "web"), vm);
			assert_memory_equal(vm_uuid_bytes(vm), uuid, sizeof(uuid));
			assert_int_equal(vm_pause(vm, &e), -EBUSY);
			assert_non_null(strstr(err_msg(&e), "\"web\" is asleep: chaos wake web"));
			assert_int_equal(vm_unpause(vm, &e), -EBUSY);
			assert_int_equal(vm_shutdown(vm, false, &e), -EBUSY);
			assert_int_equal(vm_rename(vm, "other", &e), -EBUSY);
			assert_int_equal(vm_sleep(vm, on_slept, NULL, &e), -EBUSY);
			assert_int_equal(vm_rm(vm, &e), -EBUSY);
			r = create(guest("web", DOM_PV, 256), 0);
			assert_int_equal(r.rc, -EEXIST);
			settle(0);
			is_woken(vm, again == 1 ? VM_CREATE_PAUSED : 0);
			is_paused(vm, again == 1);
			if (again == 1)
				assert_int_equal(vm_unpause(vm, NULL), 0);
			says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
			assert_int_equal(wake(vm, 0).rc, -EBUSY);
		}
		is_gone(vm);
	}
}

static void other_daemons_know_it(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	next_daemon();
	vm = engine_find(en, "web");
	assert_non_null(vm);
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	the_host_boots();
	vm = engine_find(en, "web");
	assert_non_null(vm);
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_memory_equal(vm_uuid_bytes(vm), uuid, sizeof(uuid));
	is_woken(vm, 0);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_gone(vm);
}

static void copy_file(const char *from, const char *to)
{
	char command[600];

	(void)snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

/* The record decides: it runs, or has ended, and its file is a left-over. */
static void old_files_do_not_count(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	char path[256], kept[300];

	(void)state;
	put_to_sleep(vm);
	sleeper_path(vm_uuid_bytes(vm), path);
	(void)snprintf(kept, sizeof(kept), "%s/kept", conf().log_dir);
	copy_file(path, kept);
	is_woken(vm, 0);
	copy_file(kept, path);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_RUNNING);
	until(!has_file(vm_uuid_bytes(vm)));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	copy_file(kept, path);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_ENDED);
	until(!has_file(vm_uuid_bytes(vm)));
	assert_int_equal(vm_rm(vm, NULL), 0);
	assert_int_equal(unlink(kept), 0);
}

static void write_to(const char *path, off_t at, const char *what)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, what, strlen(what), at), strlen(what));
	assert_int_equal(close(fd), 0);
}

static void files_of_others_stay(void **state)
{
	static const char *const foreign[] = {"README", "0.save",
					      "00000000-0000-0000-0000-000000000001.save",
					      "00000000-0000-0000-0000-000000000002.save"};
	struct vm *vm = living("web", DOM_PV);
	char path[256], other[300];

	(void)state;
	put_to_sleep(vm);
	sleeper_path(vm_uuid_bytes(vm), path);
	for (uint32_t i = 0; i < 4; i++) {
		(void)snprintf(other, sizeof(other), "%s/%s", conf().sleep_dir, foreign[i]);
		if (i == 2)
			copy_file(path, other); /* a second one of the same uuid */
		else
			write_to(other, 0, "no VM");
	}
	(void)snprintf(other, sizeof(other), "%s/00000000-0000-0000-0000-000000000003.7.part",
		       conf().sleep_dir);
	write_to(other, 0, "half a VM");
	the_host_boots();
	assert_int_equal(vms_count(en), 1);
	assert_int_equal(access(other, F_OK), -1);
	for (uint32_t i = 0; i < 4; i++) {
		(void)snprintf(other, sizeof(other), "%s/%s", conf().sleep_dir, foreign[i]);
		assert_int_equal(unlink(other), 0);
	}
	is_gone(engine_find(en, "web"));
}

static void damage_leaves_it_asleep(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	char path[256], kept[300];
	struct stat st;
	struct result r;

	(void)state;
	put_to_sleep(vm);
	settle(0);
	sleeper_path(vm_uuid_bytes(vm), path);
	(void)snprintf(kept, sizeof(kept), "%s/kept", conf().log_dir);
	assert_int_equal(rename(path, kept), 0);
	r = wake(vm, 0);
	assert_int_equal(r.rc, -ENOENT);
	assert_non_null(strstr(err_msg(&r.err), "is missing"));
	for (int i = 0; i < 4; i++) {
		copy_file(kept, path);
		assert_int_equal(stat(path, &st), 0);
		if (i == 0)
			write_to(path, 0, "CHAOS");
		else if (i == 1)
			write_to(path, 300, "CHAOS");
		else
			assert_int_equal(truncate(path, i == 2 ? 0 : st.st_size - 1), 0);
		r = wake(vm, 0);
		assert_true(r.rc < 0);
		assert_non_null(strstr(err_msg(&r.err), "\"web\" stays asleep"));
		assert_int_equal(vm_state(vm), VM_ASLEEP);
		assert_true(has_file(vm_uuid_bytes(vm)));
		settle(0);
	}
	assert_int_equal(rename(kept, path), 0);
	is_woken(vm, 0);
	is_gone(vm);
}

static void one_that_is_woken_can_be_destroyed(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct restored k = {0};
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	settle(0);
	/* destroyed while threads are at it */
	assert_int_equal(vm_wake(vm, "test", 0, on_restored, &k, &k.st, NULL), 0);
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_int_equal(vm_wake(vm, "test", 0, on_restored, &k, &k.st, NULL), -EBUSY);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_true(k.r.called);
	assert_int_equal(k.r.rc, -ECANCELED);
	settle(0);
	until(life_now(engine_find_uuid(en, uuid)) == NOW_ENDED);
	assert_false(has_file(uuid));
	assert_int_equal(vm_rm(engine_find_uuid(en, uuid), NULL), 0);
	only_the_daemon_is_left();
}

/* Exactly one of them: a domain or a file. */
static void is_one_of_the_two(struct vm *vm, uint32_t nth)
{
	until(vm_state(vm) == VM_ASLEEP || vm_state(vm) == VM_RUNNING || vm_state(vm) == VM_PAUSED);
	if (vm_state(vm) == VM_PAUSED) /* the unpause failed */
		assert_int_equal(vm_unpause(vm, NULL), 0);
	until(has_file(vm_uuid_bytes(vm)) == (vm_state(vm) == VM_ASLEEP));
	settle(vm_state(vm) == VM_ASLEEP ? 0 : 1);
	if (vm_state(vm) == VM_RUNNING)
		is_paused(vm, false);
	until(streams_test_count(en) == 0);
	if ((vm_domid(vm) == 0) != (vm_state(vm) == VM_ASLEEP))
		fail_msg("call %u: domain %u in state %s", nth, vm_domid(vm),
			 vm_state_name(vm_state(vm)));
}

static void sleep_failing(struct vm *vm, uint32_t nth)
{
	struct saved s = {0};

	fake_fail_at(nth, EIO);
	s.rc = vm_sleep(vm, on_slept, &s, &s.err);
	if (s.rc == 0)
		until(s.called);
	if (s.rc < 0 && s.err.msg[0] == '\0')
		fail_msg("sleep, call %u: no words", nth);
	if (s.rc < 0)
		assert_int_not_equal(vm_state(vm), VM_ASLEEP);
}

static void wake_failing(struct vm *vm, uint32_t nth)
{
	struct restored k = {0};

	fake_fail_at(nth, EIO);
	k.r.rc = vm_wake(vm, "test", 0, on_restored, &k, &k.st, &k.r.err);
	if (k.r.rc == 0)
		until(k.r.called);
	if (k.r.rc < 0 && k.r.err.msg[0] == '\0')
		fail_msg("wake, call %u: no words", nth);
	if (k.r.rc < 0)
		assert_int_equal(vm_state(vm), VM_ASLEEP);
}

static void each_failing_call_leaves_one_of_the_two(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	bool failed = true;

	(void)state;
	for (uint32_t nth = 1; failed; nth++) {
		sleep_failing(vm, nth);
		failed = fake_failed();
		fake_fail_at(0, 0);
		is_one_of_the_two(vm, nth);
		if (vm_state(vm) != VM_ASLEEP)
			put_to_sleep(vm);
		settle(0);
		wake_failing(vm, nth);
		failed = failed || fake_failed();
		fake_fail_at(0, 0);
		is_one_of_the_two(vm, nth);
		if (vm_state(vm) == VM_ASLEEP)
			is_woken(vm, 0);
		says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	}
	is_gone(vm);
}

static void one_that_is_destroyed_leaves_no_file(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct saved s = {0};
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	assert_int_equal(vm_sleep(vm, on_slept, &s, NULL), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	until(s.called);
	assert_true(s.rc < 0);
	settle(0);
	until(!has_file(uuid));
	assert_int_equal(vm_rm(engine_find_uuid(en, uuid), NULL), 0);
	only_the_daemon_is_left();
}

static void many_sleepers_are_found_by_name(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "web%d", i);
		put_to_sleep(living(name, DOM_PV));
	}
	the_host_boots();
	assert_int_equal(vms_count(en), 40);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "web%d", i);
		destroy(engine_find(en, name));
	}
	settle(0);
	only_the_daemon_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(sleeps_and_wakes),
		LIFE(other_daemons_know_it),
		LIFE(old_files_do_not_count),
		LIFE(files_of_others_stay),
		LIFE(damage_leaves_it_asleep),
		LIFE(one_that_is_woken_can_be_destroyed),
		LIFE(each_failing_call_leaves_one_of_the_two),
		LIFE(one_that_is_destroyed_leaves_no_file),
		LIFE(many_sleepers_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
