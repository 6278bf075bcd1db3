/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that sleep, at a start that cannot read their folder or their files. */
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
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

/* --- a file --- */

static const char *bad; /* the end of a name; NULL: all can be opened */
static int bad_error;

int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...)
{
	size_t len = strlen(name);
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (!bad || len < strlen(bad) || strcmp(name + len - strlen(bad), bad) != 0)
		return __real_openat64(dir, name, flags, mode);
	errno = bad_error;
	return -1;
}

static void is_unknown(const uint8_t uuid[16])
{
	struct vm *vm = engine_find_uuid(en, uuid);
	struct vm_config c = guest("other", DOM_PV, 256);
	struct err e = {0};
	struct vm_info info;
	struct result r;

	assert_non_null(vm);
	vm_get_info(vm, &info);
	assert_int_equal(info.state, VM_UNKNOWN);
	assert_non_null(strstr(info.unknown, strerror(bad_error)));
	assert_int_equal(strncmp(vm_name(vm), "asleep-", 7), 0);
	assert_int_equal(vm_unpause(vm, &e), -EAGAIN);
	assert_int_equal(vm_rename(vm, "mine", &e), -EAGAIN);
	/* no other VM gets its uuid, for which its file would be a left-over */
	c.have_uuid = true;
	memcpy(c.uuid, uuid, sizeof(c.uuid));
	r = create(c, 0);
	assert_int_equal(r.rc, -EEXIST);
	assert_true(has_file(uuid));
}

/* What cannot be read now is not ignored: it is unknown until it can be read. */
static void a_file_that_cannot_be_read_is_waited_for(void **state)
{
	static const int errors[] = {EMFILE, ENOMEM, EIO, EACCES};
	struct vm *vm = living("web", DOM_PV);
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	put_to_sleep(living("also", DOM_PV));
	settle(0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		char file[256];
		const char *at;

		sleeper_path(uuid, file);
		at = strrchr(file, '/') + 1;
		the_host_goes_down();
		bad_error = errors[i];
		bad = at;
		assert_int_equal(boot(NULL), 0);
		know_image(GUEST_NOOP);
		assert_int_equal(vms_count(en), 2);
		assert_int_equal(vm_state(engine_find(en, "also")), VM_ASLEEP);
		is_unknown(uuid);
		if (i % 2) { /* the next daemon has no record of it, and the file */
			engine_close(en);
			fake_process_died();
			assert_int_equal(boot(NULL), 0);
			know_image(GUEST_NOOP);
			is_unknown(uuid);
		}
		bad = NULL;
		until(vm_state(engine_find_uuid(en, uuid)) == VM_ASLEEP);
		vm = engine_find(en, "web");
		assert_ptr_equal(vm, engine_find_uuid(en, uuid));
		assert_int_equal(vm_cfg(vm)->mem_kib, 256);
		assert_int_equal(vms_count(en), 2);
	}
	destroy(engine_find(en, "also"));
	destroy(vm);
	settle(0);
	assert_false(has_file(uuid));
	only_the_daemon_is_left();
}

static void one_that_is_unknown_can_be_destroyed(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	settle(0);
	the_host_goes_down();
	bad_error = EIO;
	bad = ".save";
	assert_int_equal(boot(NULL), 0);
	destroy(engine_find_uuid(en, uuid));
	until(!has_file(uuid));
	bad = NULL;
	settle(0);
	only_the_daemon_is_left();
}

static void write_file(const uint8_t uuid[16], const char *text)
{
	char path[256];
	int fd;

	sleeper_path(uuid, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	(void)close(fd);
}

/* Wrong contents are ignored, also if they were not read at once. They are not deleted: that the
 * file is left over of the VM that has the uuid meanwhile is not known. */
static void wrong_contents_stay(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct vm_config c = guest("other", DOM_PV, 256);
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	settle(0);
	write_file(uuid, "CHAOS");
	the_host_goes_down();
	bad_error = EIO;
	bad = ".save";
	assert_int_equal(boot(NULL), 0);
	know_image(GUEST_NOOP);
	is_unknown(uuid);
	bad = NULL;
	until(!engine_find_uuid(en, uuid));
	assert_true(has_file(uuid));
	c.have_uuid = true;
	memcpy(c.uuid, uuid, sizeof(c.uuid));
	assert_int_equal(create(c, 0).rc, 0);
	engine_close(en);
	fake_process_died();
	assert_int_equal(boot(NULL), 0);
	know_image(GUEST_NOOP);
	settle(1);
	assert_true(has_file(uuid));
	destroy(engine_find(en, "other"));
	settle(0);
	assert_true(has_file(uuid));
	only_the_daemon_is_left();
}

/* A start that cannot read a file which may be left over of a VM that runs is refused: it must not
 * delete the file, and not let it be there for later. */
static void a_left_over_is_read_before_it_goes(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct restored k = {0};
	char path[256], kept[300], command[600];
	struct err e = {0};
	uint8_t uuid[16];

	(void)state;
	vm_uuid(vm, uuid);
	put_to_sleep(vm);
	settle(0);
	sleeper_path(uuid, path);
	(void)snprintf(kept, sizeof(kept), "%s/kept", conf().log_dir);
	(void)snprintf(command, sizeof(command), "cp %s %s", path, kept);
	assert_int_equal(system(command), 0);
	assert_int_equal(vm_wake(vm, "test", 0, on_restored, &k, &k.st, NULL), 0);
	until(k.r.called && !has_file(uuid));
	assert_int_equal(rename(kept, path), 0);
	engine_close(en);
	en = NULL;
	fake_process_died();
	bad_error = EMFILE;
	bad = ".save";
	assert_int_equal(boot(&e), -EMFILE);
	assert_non_null(strstr(err_msg(&e), "Too many open files"));
	bad = NULL;
	assert_true(has_file(uuid));
	assert_int_equal(boot(NULL), 0);
	until(!has_file(uuid));
	assert_int_equal(vm_state(engine_find(en, "web")), VM_RUNNING);
	destroy(engine_find(en, "web"));
	settle(0);
	only_the_daemon_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_folder_that_cannot_be_read_refuses_the_start),
		LIFE(a_file_that_cannot_be_read_is_waited_for),
		LIFE(one_that_is_unknown_can_be_destroyed),
		LIFE(wrong_contents_stay),
		LIFE(a_left_over_is_read_before_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
