/* SPDX-License-Identifier: BSD-3-Clause */
/* The next daemon: whatever call of its start fails, no VM is ended, forgotten or disowned. */
#include "split-toolstack/engine/life/sleep.h"
#include "tests/unit/engine/devices_help.h"
#include "tests/unit/engine/snapshots/snap_help.h"

#include <noxs/abi.h>
#include <xen/sched.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- calls of dom0's that fail --- */

static uint32_t calls, fail_nth; /* 0: none */
static const char *failed;

static bool fails(const char *name, int error)
{
	if (fail_nth == 0 || __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != fail_nth)
		return false;
	failed = name;
	errno = error;
	return true;
}

#define WRAP(type, name, params, args, none, error)                                                \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fails(#name, error) ? (none) : __real_##name args;                          \
	}

WRAP(void *, malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL, ENOMEM)
WRAP(char *, strdup, (const char *s), (s), NULL, ENOMEM)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(void *, mmap64, (void *at, size_t n, int prot, int flags, int fd, off_t off),
     (at, n, prot, flags, fd, off), MAP_FAILED, ENOMEM)
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), -1, ENOSPC)
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at), -1, ENOSPC)
WRAP(DIR *, opendir, (const char *path), (path), NULL, EMFILE)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, ENOMEM)
WRAP(struct dirent *, readdir64, (DIR * d), (d), NULL, EIO)
WRAP(int, fstatat64, (int dir, const char *path, struct stat *st, int flags),
     (dir, path, st, flags), -1, EIO)
WRAP(int, renameat, (int from, const char *old, int to, const char *path), (from, old, to, path),
     -1, EIO)
WRAP(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags), -1, EIO)
WRAP(int, mdb_env_open, (MDB_env * env, const char *path, unsigned int flags, mdb_mode_t mode),
     (env, path, flags, mode), ENOMEM, 0)
WRAP(int, mdb_txn_begin, (MDB_env * env, MDB_txn *up, unsigned int flags, MDB_txn **out),
     (env, up, flags, out), ENOMEM, 0)
WRAP(int, mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **out), (txn, dbi, out), ENOMEM,
     0)
WRAP(int, mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned int flags),
     (txn, dbi, key, value, flags), ENOSPC, 0)

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails("open", EMFILE) ? -1 : __real_open64(path, flags, mode);
}

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails("openat", EMFILE) ? -1 : __real_openat64(dir, path, flags, mode);
}

/* --- VMs of all kinds, and the daemon that left them --- */

static const struct {
	const char *name;
	enum vm_state state;
	uint32_t devices;
} vms[] = {{"web", VM_RUNNING, 2},
	   {"still", VM_PAUSED, 0},
	   {"kept", VM_ENDED_PRESERVED, 0},
	   {"linux", VM_RUNNING, 2}};
#define VMS (sizeof(vms) / sizeof(vms[0]))
static uint32_t domids[VMS];
static struct sleeping {
	const char *name;
	uint8_t uuid[16];
} sleeping[] = {{"asleep", {0}}, {"abroad", {0}}}; /* the second has no record */
static struct kept kept;

static void copy_run_dir(const char *from, const char *to)
{
	struct engine_conf c = conf();
	char command[512];

	(void)snprintf(command, sizeof(command), "rm -rf %s%s && cp -r %s%s %s%s", c.run_dir, to,
		       c.run_dir, from, c.run_dir, to);
	assert_int_equal(system(command), 0);
}

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	(void)st;
	(void)e;
	assert_int_equal(rc, 0);
	*(bool *)arg = true;
}

/* One of which there is a snapshot, too. */
static void put_to_sleep(struct sleeping *s)
{
	struct vm *vm = living(s->name, DOM_PVH);
	bool slept = false;

	vm_uuid(vm, s->uuid);
	kept = keep(vm, "state");
	assert_int_equal(vm_sleep(vm, on_slept, &slept, NULL), 0);
	until(slept);
}

static void put_to_sleep_with_devices(struct sleeping *s)
{
	struct vm_config c = net_and_disk(s->name);
	bool slept = false;
	struct vm *vm;

	c.device[1].u.vbd.readonly = true;
	vm = create(c, 0).vm;
	work_until(connected(vm) == 2);
	vm_uuid(vm, s->uuid);
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES);
	assert_int_equal(vm_sleep(vm, on_slept, &slept, NULL), 0);
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	work_until(slept && kernel_nbackends() == 0);
}

/* As after a reboot of the host, for this VM. */
static void lose_record(struct sleeping *s)
{
	char path[256], aside[300];

	sleeper_path(s->uuid, path);
	(void)snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	destroy(engine_find(en, s->name));
	assert_int_equal(rename(aside, path), 0);
}

/* The daemon dies with VMs of all kinds, and leaves its folder in "run.then". */
static void all_kinds(void)
{
	struct vm_config c = net_and_disk("linux");

	put_to_sleep(&sleeping[0]);
	put_to_sleep_with_devices(&sleeping[1]);
	lose_record(&sleeping[1]);
	free(c.kernel);
	c.kernel = strdup(GUEST_VIEW);
	c.type = DOM_PVH;
	c.device[1].u.vbd.readonly = true;
	assert_int_equal(create(c, 0).rc, 0);
	c = net_and_disk("web");
	c.device[1].u.vbd.readonly = true;
	assert_int_equal(create(c, 0).rc, 0);
	assert_int_equal(create(guest("still", DOM_PVH, 256), VM_CREATE_PAUSED).rc, 0);
	c = guest("kept", DOM_PV, 256);
	c.on_crash = VM_PRESERVE;
	fake_end(vm_domid(create(c, 0).vm), SHUTDOWN_crash);
	assert_int_equal(create(guest("old", DOM_PV, 256), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "old"), NULL), 0);
	work_for(30);
	for (size_t i = 0; i < VMS; i++) {
		assert_int_equal(vm_state(engine_find(en, vms[i].name)), vms[i].state);
		domids[i] = vm_domid(engine_find(en, vms[i].name));
	}
	c = guest("again", DOM_PV, 256);
	c.on_crash = VM_RESTART;
	fake_end(vm_domid(create(c, 0).vm), SHUTDOWN_crash);
	until(vm_state(engine_find(en, "again")) == VM_BUILDING);
	copy_run_dir("", ".then");
	engine_close(en);
	en = NULL;
	fake_process_died();
}

/* Whether each domain that there should be is there, and no other. */
static bool domains_are_right(void)
{
	struct fake_count n;

	fake_count(&n);
	return n.domains == VMS + (vm_domid(engine_find(en, "again")) != 0);
}

/* Those without a domain: two that sleep, and one that waits for its restart. */
static void no_file_is_lost(bool may_be_unknown)
{
	struct vm *vm = engine_find(en, "again");
	struct vm_info info;
	const struct snapshot *x = snapshots_find(engine_snapshots(en), "state", NULL);
	int fd = -1;

	assert_non_null(x);
	assert_string_equal(x->digest, kept.digest);
	assert_int_equal(snapshots_file(engine_snapshots(en), x, &fd, NULL), 0);
	(void)close(fd);
	assert_non_null(vm);
	vm_get_info(vm, &info);
	assert_int_equal(info.restarts, 1);
	assert_true(info.state == VM_BUILDING || info.state == VM_RUNNING ||
		    (may_be_unknown && info.state == VM_UNKNOWN));
	for (size_t i = 0; i < sizeof(sleeping) / sizeof(sleeping[0]); i++) {
		const struct sleeping *s = &sleeping[i];

		vm = engine_find_uuid(en, s->uuid);
		if (!vm)
			fail_msg("%s is forgotten", s->name);
		assert_true(has_file(s->uuid));
		if (vm_state(vm) == VM_UNKNOWN && may_be_unknown)
			continue;
		assert_int_equal(vm_state(vm), VM_ASLEEP);
		assert_string_equal(vm_name(vm), s->name);
		assert_int_equal(*vm_reservations(vm) != NULL, i == 1); /* of its devices */
	}
}

static bool all_known(void)
{
	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm))
		if (vm_state(vm) == VM_UNKNOWN)
			return false;
	return true;
}

static void count(const struct device_info *d, void *arg)
{
	(*(uint32_t *)arg)++;
	if (d->reason[0])
		fail_msg("device: %s", d->reason);
}

/* All of them live as before, or are waited for. */
static void nothing_is_lost(bool may_be_unknown)
{
	no_file_is_lost(may_be_unknown);
	for (size_t i = 0; i < VMS; i++) {
		struct vm *vm = engine_find(en, vms[i].name);
		uint32_t devices = 0;
		struct vm_info info;

		if (!vm)
			fail_msg("%s is forgotten", vms[i].name);
		vm_get_info(vm, &info);
		assert_int_equal(info.domid, domids[i]);
		if (info.state == VM_UNKNOWN && may_be_unknown) {
			assert_non_null(info.unknown);
			assert_true(info.unknown[0] != '\0');
			continue;
		}
		if (info.state != vms[i].state)
			fail_msg("%s is %s: %s", vms[i].name, vm_state_name(info.state),
				 vm_why_unknown(vm));
		assert_null(info.unknown);
		vm_for_each_device(vm, count, &devices);
		if (devices != vms[i].devices || (i == 0 && connected(vm) != devices))
			fail_msg("%s has %u devices, %u connected", vms[i].name, devices,
				 connected(vm));
	}
	assert_non_null(engine_find(en, "old"));
	assert_int_equal(vm_state(engine_find(en, "old")), VM_ENDED);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t domid = domids[i ? 0 : 3];

		assert_true(has_nodes("vif", domid, 0));
		assert_true(has_nodes("vbd", domid, 51712));
	}
	assert_int_equal(kernel_nbackends(), 4);
}

static int start(struct err *e)
{
	struct engine_conf c = conf();

	return engine_open(loop, &c, &en, e);
}

/* --- sweeps --- */

enum outcome { ADOPTED, UNKNOWN, REFUSED, NO_MORE, LOST };

/* In a child: a start with a failing call, and what comes of it. */
static void try_in_child(bool xen, uint32_t nth, int error)
{
	struct err e = {0};
	enum outcome o = ADOPTED;
	int rc;

	(void)alarm(60);
	if (xen)
		fake_fail_at(nth, error);
	fail_nth = xen ? 0 : nth;
	rc = start(&e);
	fail_nth = 0;
	if (xen ? !fake_failed() : !failed)
		o = NO_MORE;
	fake_fail_at(0, 0);
	if (rc < 0) {
		assert_true(e.msg[0] != '\0');
		o = REFUSED;
		assert_int_equal(start(&e), 0);
	} else if (!all_known()) {
		o = UNKNOWN;
		nothing_is_lost(true);
		until(all_known());
	}
	work_for(2);
	nothing_is_lost(false);
	until(domains_are_right());
	_exit(o);
}

static bool in_child;

/* A check that fails in a child ends the child, and touches nothing of its parent's. */
static int stop_test(void **state)
{
	if (in_child)
		_exit(LOST);
	return devices_stop_test(state);
}

static enum outcome try(bool xen, uint32_t nth, int error)
{
	int status = 0;
	pid_t pid;

	copy_run_dir(".then", "");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		in_child = true;
		try_in_child(xen, nth, error);
		_exit(LOST);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* also if a library of ours ends the process for want of memory: none does */
	return WIFEXITED(status) && WEXITSTATUS(status) < LOST ? (enum outcome)WEXITSTATUS(status)
							       : LOST;
}

static void sweep(bool xen, int error)
{
	uint32_t n[LOST + 1] = {0};
	uint32_t nth = 0;
	uint32_t step = 1;
	enum outcome o = ADOPTED;

	all_kinds();
	do {
		nth += step;
		o = try(xen, nth, error);
		/* What opens files and reads records ends the start: some of these calls, and each
		 * one from where VMs are taken over. */
		if (step > 1 && o != REFUSED) {
			nth -= step - 1;
			step = 1;
			o = try(xen, nth, error);
		} else if (!xen && o == REFUSED && n[UNKNOWN] == 0) {
			step = 7;
		}
		if (o >= LOST)
			fail_msg("call %u: a VM is lost", nth);
		n[o]++;
	} while (o != NO_MORE);
	assert_true(nth > 20 && n[UNKNOWN] > 10);
	printf("  %s%s: %u points tried: %u adopted, %u unknown for a while, %u starts refused, 0 "
	       "lost\n",
	       xen ? "calls of Xen, " : "calls of dom0", xen ? strerror(error) : "",
	       n[ADOPTED] + n[UNKNOWN] + n[REFUSED], n[ADOPTED], n[UNKNOWN], n[REFUSED]);
	copy_run_dir(".then", "");
	assert_int_equal(start(NULL), 0);
}

static void no_call_of_xen_loses_a_vm(void **state)
{
	(void)state;
	sweep(true, ENOMEM);
}

static void no_other_fault_of_xen_loses_a_vm(void **state)
{
	(void)state;
	sweep(true, EIO);
}

static void no_call_of_dom0_loses_a_vm(void **state)
{
	(void)state;
	sweep(false, 0);
}

#define SWEEP(f) cmocka_unit_test_setup_teardown(f, devices_start_test, stop_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWEEP(no_call_of_xen_loses_a_vm),
		SWEEP(no_other_fault_of_xen_loses_a_vm),
		SWEEP(no_call_of_dom0_loses_a_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
