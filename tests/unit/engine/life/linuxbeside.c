/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests without noxs are saved beside xenstored: what it has of their devices, and what happens
 * when it ends. */
#include "split-toolstack/engine/life/rollback.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/snapshot.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "tests/unit/engine/devices_help.h"
#include "tests/unit/engine/kernel_help.h"
#include "tests/unit/engine/life/savevm_help.h"
#include "tests/unit/engine/xenstored_help.h"
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/mirror.h"

#define MEM_KIB (32u << 10)

static struct client frontend;

static void hangs_up(void)
{
	if (frontend.c)
		store_conn_close(frontend.c);
	frontend.c = NULL;
}

static int start(void **state)
{
	int rc;

	xs_reset();
	rc = devices_start_test(state);
	log_set_level(LOG_ERROR + 1);
	engine_set_store(en, STORE_BESIDE);
	return rc < 0 ? rc : devices_test_mirror_open(en);
}

static int stop(void **state)
{
	int rc;

	hangs_up();
	rc = devices_stop_test(state);
	assert_int_equal(atomic_load(&xs_opened), 0);
	return rc;
}

#define BESIDE(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* --- the guest --- */

/* It has booted: it watches its store, and reports that it can suspend. */
static void boots(const struct vm *vm)
{
	char text[96];

	hangs_up();
	client_open(&frontend, engine_store(en), vm_domid(vm), false);
	assert_string_equal(ask(&frontend, XS_WATCH, 0, "control/shutdown|t|"), "OK|");
	(void)snprintf(text, sizeof(text), "/local/domain/%u/control/feature-suspend|1",
		       vm_domid(vm));
	assert_string_equal(ask(&frontend, XS_WRITE, 0, text), "OK|");
}

static const char *node(uint32_t domid, const char *rest)
{
	static char path[96];

	(void)snprintf(path, sizeof(path), "/local/domain/%u%s", domid, rest);
	return path;
}

static const char *back(const char *kind, uint32_t domid)
{
	static char path[96];

	(void)snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kind, domid);
	return path;
}

static bool is_requested(const struct vm *vm)
{
	uint32_t len = 0;
	const char *v = store_get(engine_store(en), node(vm_domid(vm), "/control/shutdown"), &len);

	return v && len == 7 && memcmp(v, "suspend", 7) == 0;
}

/* The kernel writes into xenstored, after what the daemon has put there before. */
static void connect(struct vm *vm)
{
	char state[128];

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct device_config *d = &vm_cfg(vm)->device[i];

		(void)snprintf(state, sizeof(state), "%s/%u/state",
			       back(d->kind == DEVICE_VIF ? "vif" : "vbd", vm_domid(vm)), d->devid);
		work_until(xs_has(state, "2"));
		xs_put_in(state, "4");
	}
}

static struct vm *living_linux(bool devices)
{
	struct vm_config c = linux_guest("lin", DOM_PVH, MEM_KIB);
	struct result r;

	if (devices) {
		give(&c, vif("br0", ""));
		give(&c, vbd());
	}
	r = create(c, 0);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	work_until(kernel_nbackends() == vm_cfg(r.vm)->ndevice);
	connect(r.vm);
	work_until(connected(r.vm) == vm_cfg(r.vm)->ndevice);
	return r.vm;
}

/* A whole save, for which it suspends itself. */
static int saved(struct vm *vm, uint32_t flags, struct saved *sv)
{
	int file = memfd_create("saved", MFD_CLOEXEC);
	uint32_t domid = vm_domid(vm);

	boots(vm);
	if (begin(vm, dup(file), flags, sv) < 0)
		fail_msg("%s", sv->err.msg);
	assert_int_equal(vm_state(vm), VM_SAVING);
	assert_true(is_requested(vm));
	if (!(flags & VM_SAVE_KEEP))
		hangs_up();
	fake_end(domid, SHUTDOWN_suspend);
	work_until(sv->called);
	if (sv->rc < 0)
		fail_msg("%s", sv->err.msg);
	if (!(flags & VM_SAVE_KEEP))
		assert_int_equal(vm_save_end(en, sv->id, true, &sv->err), 0);
	return file;
}

static void kernel_connects(struct vm *vm)
{
	work_until(kernel_nbackends() == vm_cfg(vm)->ndevice);
	connect(vm);
}

static struct result restored(int file)
{
	struct restored k = {0};
	struct vm *vm = NULL;

	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(
		engine_restore(en, dup(file), NULL, 0, on_restored, &k, &k.st, &k.id, &k.r.err), 0);
	work_until(k.r.called || ((vm = engine_find(en, "lin")) && life_now(vm) == NOW_CONNECTING));
	if (!k.r.called && vm)
		kernel_connects(vm);
	work_until(k.r.called);
	return k.r;
}

static void has_nothing_of(uint32_t domid)
{
	while (mirror_backlog(engine_mirror(en)))
		tick();
	work_until(xs_has(node(domid, ""), NULL));
	work_until(xs_has(back("vif", domid), NULL) && xs_has(back("vbd", domid), NULL));
}

static void gone(struct vm *vm)
{
	if (vm_state(vm) != VM_ENDED)
		assert_int_equal(vm_destroy(vm, NULL), 0);
	work_until(kernel_nbackends() == 0);
	assert_int_equal(vm_rm(engine_find(en, "lin"), NULL), 0);
	nothing_is_left(0);
}

/* --- the tests --- */

static void its_devices_get_nodes_of_the_new_domain(void **state)
{
	struct vm *vm = living_linux(true);
	uint32_t first = vm_domid(vm);
	struct saved sv;
	struct result r;
	int file;

	(void)state;
	file = saved(vm, 0, &sv);
	work_until(kernel_nbackends() == 0);
	has_nothing_of(first);
	r = restored(file);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	vm = r.vm;
	assert_int_equal(vm_state(vm), VM_RUNNING);
	work_until(!xs_has(back("vif", vm_domid(vm)), NULL) &&
		   !xs_has(back("vbd", vm_domid(vm)), NULL));
	work_until(!xs_has(node(vm_domid(vm), "/device"), NULL));
	assert_false(is_requested(vm));
	(void)close(file);
	first = vm_domid(vm);
	gone(vm);
	has_nothing_of(first);
}

/* It continues in its domain, and xenstored has all nodes of its devices as before. */
static void it_is_saved_in_place(void **state)
{
	struct vm *vm = living_linux(true);
	uint32_t domid = vm_domid(vm);
	struct saved sv;

	(void)state;
	for (int i = 0; i < 2; i++) {
		(void)close(saved(vm, VM_SAVE_KEEP, &sv));
		work_until(vm_state(vm) == VM_RUNNING);
		assert_int_equal(vm_domid(vm), domid);
		assert_false(is_requested(vm));
		assert_int_equal(connected(vm), 2);
		assert_false(xs_has(back("vif", domid), NULL) || xs_has(back("vbd", domid), NULL));
	}
	gone(vm);
	has_nothing_of(domid);
}

/* The state of a backend, which the kernel may have written meanwhile. */
static void what_is_there_stays(void **state)
{
	struct mirror *m = engine_mirror(en);

	(void)state;
	xs_put_in("/b/state", "4");
	assert_int_equal(mirror_begin(m), 0);
	assert_int_equal(mirror_put(m, "/b/online", "1", 1), 0);
	assert_int_equal(mirror_put_new(m, "/b/state", "2", 1), 0);
	assert_int_equal(mirror_put_new(m, "/c/state", "1", 1), 0);
	assert_int_equal(mirror_end(m), 0);
	assert_int_equal(mirror_put_new(m, "/b/state", "3", 1), 0);
	assert_int_equal(mirror_put_new(m, "/d/state", "5", 1), 0);
	work_until(xs_has("/d/state", "5"));
	assert_true(xs_has("/b/online", "1") && xs_has("/b/state", "4"));
	assert_true(xs_has("/c/state", "1"));
}

/* --- xenstored ends --- */

static void it_ends(void)
{
	xs_dies();
	until(mirror_is_dead(engine_mirror(en)));
}

static void is_refused(const struct result *r)
{
	assert_int_equal(r->rc, -ENOTCONN);
	assert_non_null(strstr(r->err.msg, "xenstored has ended"));
}

static void the_file_stays(void **state)
{
	struct vm *vm = living_linux(true);
	struct saved sv;
	struct result r;
	int file;

	(void)state;
	boots(vm);
	it_ends();
	(void)close(saved(vm, VM_SAVE_KEEP, &sv));
	work_until(vm_state(vm) == VM_RUNNING && connected(vm) == 2);
	file = saved(vm, 0, &sv);
	work_until(kernel_nbackends() == 0);
	for (int i = 0; i < 2; i++) {
		r = restored(file);
		is_refused(&r);
		assert_int_equal(vm_state(engine_find(en, "lin")), VM_ENDED);
	}
	(void)close(file);
	gone(vm);
}

/* Between the request and the answer of the guest. */
static void it_ends_meanwhile(void **state)
{
	struct vm *vm = living_linux(false);
	int file = memfd_create("saved", MFD_CLOEXEC);
	struct saved sv;
	struct result r;

	(void)state;
	boots(vm);
	assert_int_equal(begin(vm, dup(file), 0, &sv), 0);
	it_ends();
	hangs_up();
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	work_until(sv.called);
	assert_int_equal(sv.rc, 0);
	assert_int_equal(vm_save_end(en, sv.id, true, &sv.err), 0);
	r = restored(file); /* it has no devices */
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	(void)close(file);
	gone(r.vm);
}

/* While it waits for its devices: no VM is made. */
static void it_ends_during_a_restore(void **state)
{
	struct vm *vm = living_linux(true);
	struct restored k = {0};
	struct saved sv;
	int file = saved(vm, 0, &sv);

	(void)state;
	work_until(kernel_nbackends() == 0);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(
		engine_restore(en, dup(file), NULL, 0, on_restored, &k, &k.st, &k.id, &k.r.err), 0);
	until((vm = engine_find(en, "lin")) && life_now(vm) == NOW_CONNECTING);
	it_ends();
	until(k.r.called); /* ATTACH_S */
	assert_true(k.r.rc < 0);
	assert_non_null(strstr(k.r.err.msg, "xenstored is gone"));
	work_until(!devices_test_any(en) && kernel_nbackends() == 0);
	assert_int_equal(vm_state(engine_find(en, "lin")), VM_ENDED); /* the saved one */
	(void)close(file);
	gone(engine_find(en, "lin"));
}

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *sv = arg;

	(void)st;
	sv->called = true;
	sv->rc = rc;
	if (e)
		sv->err = *e;
}

static void it_stays_asleep(void **state)
{
	struct vm *vm = living_linux(true);
	uint32_t domid = vm_domid(vm);
	struct restored k = {0};
	struct saved sv = {0};

	(void)state;
	boots(vm);
	assert_int_equal(vm_sleep(vm, on_slept, &sv, &sv.err), 0);
	hangs_up();
	fake_end(domid, SHUTDOWN_suspend);
	work_until(sv.called && vm_state(vm) == VM_ASLEEP && kernel_nbackends() == 0);
	assert_int_equal(sv.rc, 0);
	has_nothing_of(domid);
	it_ends();
	k.r.rc = vm_wake(vm, "test", 0, on_restored, &k, &k.st, &k.r.err);
	is_refused(&k.r);
	assert_non_null(strstr(k.r.err.msg, "stays asleep"));
	assert_int_equal(vm_state(vm), VM_ASLEEP);
	assert_true(has_file(vm_uuid_bytes(vm)));
	gone(vm);
}

static void on_snapshot(void *arg, int rc, const struct snapshot *x, const struct stream_stats *st,
			const struct err *e)
{
	(void)x;
	on_slept(arg, rc, st, e);
}

/* A rollback would end its domain, and could not make another one with devices. */
static void it_is_not_set_back(void **state)
{
	struct vm_config c = guest("lin", DOM_PVH, 4096);
	struct saved sv = {0};
	struct result r;

	(void)state;
	give(&c, vif("br0", ""));
	r = create(c, 0);
	work_until(vm_state(r.vm) == VM_RUNNING && connected(r.vm) == 1);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES);
	assert_int_equal(vm_snapshot(r.vm, "a", on_snapshot, &sv, &sv.err), 0);
	work_until(sv.called);
	assert_int_equal(sv.rc, 0);
	for (int early = 0; early < 2; early++) {
		sv = (struct saved){0};
		if (early)
			it_ends();
		sv.rc = vm_rollback(r.vm, "a", 0, on_slept, &sv, &sv.err);
		assert_true(early == (sv.rc < 0));
		if (!early) {
			xs_dies();
			while (!mirror_is_dead(engine_mirror(en)))
				(void)usleep(100); /* the rollback does not go on meanwhile */
			work_until(sv.called);
		}
		assert_int_equal(sv.rc, -ENOTCONN);
		assert_non_null(strstr(sv.err.msg, "cannot be set back"));
		assert_int_equal(vm_state(r.vm), VM_RUNNING);
		is_paused(r.vm, false);
		work_until(!has_file(vm_uuid_bytes(r.vm)));
	}
	gone(r.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BESIDE(its_devices_get_nodes_of_the_new_domain),
		BESIDE(it_is_saved_in_place),
		BESIDE(what_is_there_stays),
		BESIDE(the_file_stays),
		BESIDE(it_ends_meanwhile),
		BESIDE(it_ends_during_a_restore),
		BESIDE(it_stays_asleep),
		BESIDE(it_is_not_set_back),
	};

	return cmocka_run_group_tests(tests, make_kernel, remove_kernel);
}
