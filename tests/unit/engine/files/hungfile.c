/* SPDX-License-Identifier: BSD-3-Clause */
/* Files whose server does not answer: open() of one path hangs here until the test lets it go. The
 * daemon serves everything else meanwhile, what was asked for can be cancelled, and nothing is left
 * when the open returns at last. */
#include "tests/unit/engine/devices_help.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

static pthread_t loop_thread;
static char hung[128]; /* the path; "": none */
static sem_t waits, go;
static uint32_t hanging;

static bool hangs(const char *path)
{
	return hung[0] && strcmp(path, hung) == 0;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (hangs(path)) {
		if (pthread_equal(pthread_self(), loop_thread))
			fail_msg("%s is opened on the loop", path);
		(void)sem_post(&waits);
		(void)sem_wait(&go);
	}
	return __real_open64(path, flags, mode);
}

int __real_quick_open(int dirfd, const char *path);
int __wrap_quick_open(int dirfd, const char *path);
int __wrap_quick_open(int dirfd, const char *path)
{
	return hangs(path) ? -EAGAIN : __real_quick_open(dirfd, path);
}

/* --- the test's side --- */

static void hang(const char *path)
{
	(void)snprintf(hung, sizeof(hung), "%s", path);
	files_hang = true;
	hanging = 0;
}

static void on_poll(struct ev_loop *l, ev_timer *t, int events)
{
	(void)l;
	(void)t;
	(void)events;
}

/* One more thread hangs in it. */
static void await_hang(void)
{
	ev_timer t;

	ev_timer_init(&t, on_poll, 0.001, 0.001); /* the threads say nothing to the loop */
	ev_timer_start(loop, &t);
	until(sem_trywait(&waits) == 0);
	ev_timer_stop(loop, &t);
	hanging++;
}

static void let_go(void)
{
	hung[0] = '\0';
	files_hang = false;
	while (hanging) {
		(void)sem_post(&go);
		hanging--;
	}
	files_settle();
}

static int begin(void **state)
{
	loop_thread = pthread_self();
	hung[0] = '\0';
	files_hang = mounts_remote = false;
	(void)sem_init(&waits, 0, 0);
	(void)sem_init(&go, 0, 0);
	return devices_start_test(state);
}

#define HUNG(f) cmocka_unit_test_setup_teardown(f, begin, devices_stop_test)

static char kernel[128];

static struct vm_config of_kernel(const char *name)
{
	struct vm_config c = guest(name, DOM_PV, 4096);

	free(c.kernel);
	c.kernel = strdup(kernel);
	return c;
}

static struct vm_config with_disk(const char *name)
{
	struct vm_config c = guest(name, DOM_PV, 4096);

	give(&c, vbd());
	return c;
}

static void make_kernel(void)
{
	char command[512];

	(void)snprintf(kernel, sizeof(kernel), "%s/kernel", conf().run_dir);
	(void)snprintf(command, sizeof(command), "cp %s %s", GUEST_NOOP, kernel);
	assert_int_equal(system(command), 0);
}

/* Another VM comes and goes. */
static void others_are_served(void)
{
	struct result r = create(guest("other", DOM_PV, 4096), 0);

	assert_int_equal(r.rc, 0);
	assert_ptr_equal(engine_find(en, "other"), r.vm);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "other"), NULL), 0);
}

/* --- creates --- */

static void a_create_waits_and_is_cancelled(struct vm_config (*config)(const char *name),
					    const char *path)
{
	struct result r;
	struct result same;
	uint32_t files;

	assert_int_equal(create(config("web"), 0).rc, 0); /* all is known */
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
	files = open_files();
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		hang(path);
		create_begin(config("web"), 0, &r);
		await_hang();
		others_are_served();
		assert_false(r.called);
		assert_int_equal(vm_state(engine_find(en, "web")), VM_BUILDING);
		create_begin(config("web"), 0, &same); /* its name is taken */
		assert_true(same.called);
		assert_true(same.rc < 0);
		if (cancelled) {
			assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
			assert_true(r.called);
			assert_int_equal(r.rc, -ECANCELED);
			assert_non_null(strstr(r.err.msg, "waited for its files to be opened"));
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
			assert_null(engine_find(en, "web"));
			assert_false(devices_test_any_reservation(en));
		}
		let_go();
		if (!cancelled) {
			turn(&r.called);
			assert_int_equal(r.rc, 0);
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		nothing_is_left(files);
	}
	/* neither name nor disk is held by what was cancelled */
	assert_int_equal(create(config("web"), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	nothing_is_left(files);
}

static void kernels(void **state)
{
	(void)state;
	make_kernel();
	a_create_waits_and_is_cancelled(of_kernel, kernel);
}

/* On a host with a mount that may ask a server nothing is opened at once. */
static void mounts_that_may_hang(void **state)
{
	struct result r;

	(void)state;
	mounts_remote = true;
	create_begin(guest("web", DOM_PV, 4096), 0, &r);
	assert_false(r.called);
	turn(&r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
	mounts_remote = false;
	create_begin(guest("web", DOM_PV, 4096), 0, &r);
	assert_true(r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void disks(void **state)
{
	(void)state;
	a_create_waits_and_is_cancelled(with_disk, disk);
}

/* Fifteen that hang leave a thread for the others. */
static void a_thread_is_left(void **state)
{
	struct result r[15];
	struct result other;
	char name[8];

	(void)state;
	make_kernel();
	hang(kernel);
	for (int i = 0; i < 15; i++) {
		(void)snprintf(name, sizeof(name), "web%d", i);
		create_begin(of_kernel(name), 0, &r[i]);
	}
	for (int i = 0; i < 15; i++)
		await_hang();
	create_begin(with_disk("other"), 0, &other);
	turn(&other.called);
	assert_int_equal(other.rc, 0);
	let_go();
	for (int i = 0; i < 15; i++) {
		turn(&r[i].called);
		assert_int_equal(r[i].rc, 0);
	}
	while (vms_alive(en))
		assert_int_equal(vm_destroy(vms_alive(en), NULL), 0);
	nothing_is_left(0);
}

/* --- attaches --- */

static void attaches(void **state)
{
	struct vm *vm = create(other_guest("lin"), 0).vm;
	uint32_t files = open_files();

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct device_config d = vbd();
		struct answer a = {0};
		struct answer gone = {0};

		hang(disk);
		vm_attach(vm, &d, on_device, &a);
		await_hang();
		others_are_served();
		assert_false(a.called);
		assert_int_equal(vm_cfg(vm)->ndevice, 0);
		if (i == 1) { /* the VM ends while it waits */
			assert_int_equal(vm_destroy(vm, NULL), 0);
			assert_true(a.called);
			assert_int_equal(a.rc, -ECANCELED);
		}
		let_go();
		if (i == 1)
			break;
		work_until(a.called);
		assert_int_equal(a.rc, 0);
		vm_detach(vm, DEVICE_VBD, 51712, true, on_device, &gone);
		work_until(gone.called);
		files_settle();
		settle(1);
		assert_int_equal(open_files(), files);
	}
	nothing_is_left(0);
	/* the disk is nobody's */
	assert_int_equal(create(with_disk("web"), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

/* --- the next daemon --- */

static void next_daemon(void)
{
	struct engine_conf c = conf();

	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
}

/* The disk's file does not hold up the start; the VM goes on, and can be ended. */
static void a_start_does_not_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = create(net_and_disk("web"), 0).vm;
		uint32_t domid = vm_domid(vm);

		kernel_lose_loops(i + 1); /* its loop device is another file's by now */
		hang(disk);
		next_daemon();
		know_image(GUEST_NOOP);
		vm = engine_find(en, "web");
		assert_int_equal(vm_state(vm), VM_RUNNING);
		await_hang();
		others_are_served();
		if (i == 1)
			assert_int_equal(vm_destroy(vm, NULL), 0);
		let_go();
		if (i == 0) {
			assert_string_not_equal(physical_device(domid), "7:0");
			work_for(3);
			assert_int_equal(connected(vm), 2);
			assert_int_equal(vm_destroy(vm, NULL), 0);
		}
		nothing_is_left(0);
		assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	}
}

/* --- the pool --- */

static void on_set(void *arg, int rc, const struct err *e)
{
	struct answer *a = arg;

	a->called = true;
	a->rc = rc;
	if (e)
		a->err = *e;
}

static void pools(void **state)
{
	struct pool_flavor f = {
		.type = DOM_PV, .vcpus = 1, .mem_kib = 4096, .low = 1, .high = 1, .image = kernel};
	struct answer a = {0};
	struct err e = {0};

	(void)state;
	make_kernel();
	hang(kernel);
	assert_int_equal(pool_set_later(en, &f, on_set, &a, &e), 1);
	await_hang();
	others_are_served();
	assert_false(a.called);
	let_go();
	turn(&a.called);
	assert_int_equal(a.rc, 0);
	/* a shell's image hangs: flavors can be changed, and others created */
	hang(kernel);
	pool_drop(en);
	idle_now(engine_idle(en));
	await_hang();
	others_are_served();
	f.low = f.high = 0;
	assert_int_equal(pool_set_later(en, &f, on_set, &a, &e), 0);
	let_go();
	nothing_is_left(0);
}

/* --- the end --- */

static void the_end_leaves_them_behind(void **state)
{
	struct engine_conf c = conf();
	struct device_config d = vbd();
	struct vm *vm = create(other_guest("lin"), 0).vm;
	struct answer a = {0};

	(void)state;
	hang(disk);
	vm_attach(vm, &d, on_device, &a);
	await_hang();
	engine_close(en);
	assert_false(a.called);
	fake_process_died();
	hung[0] = '\0'; /* for the next one; the thread hangs on */
	files_hang = false;
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "lin"), NULL), 0);
	nothing_is_left(0);
	(void)sem_post(&go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HUNG(kernels),
		HUNG(disks),
		HUNG(mounts_that_may_hang),
		HUNG(a_thread_is_left),
		HUNG(attaches),
		HUNG(a_start_does_not_wait),
		HUNG(pools),
		HUNG(the_end_leaves_them_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
