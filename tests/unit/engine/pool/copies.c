/* SPDX-License-Identifier: BSD-3-Clause */
/* Flavors of a snapshot: copies wait in the pool, and each is another VM. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/rollback.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/snapshot.h"
#include "split-toolstack/engine/vm/parts.h"

static const enum dom_type types[] = {DOM_PV, DOM_PVH};

static void on_set(void *arg, int rc, const struct err *e)
{
	struct result *r = arg;

	r->called = true;
	r->rc = rc;
	r->err = *e;
}

/* As `chaos pool set from=snap low= high=`. */
static struct result set(uint32_t low, uint32_t high)
{
	char from[] = "snap";
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .from = from, .low = low, .high = high};
	struct result r = {0};

	r.rc = pool_set_later(en, &f, on_set, &r, &r.err);
	if (r.rc == 1)
		until(r.called);
	return r;
}

static void must_set(uint32_t count)
{
	struct result r = set(count, count);

	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
}

static void on_created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		       const struct err *e)
{
	struct result *r = arg;

	*r = (struct result){.called = true, .rc = rc, .way = t->way, .vm = vm};
	if (rc < 0)
		r->err = *e;
	else
		(void)snprintf(r->err.msg, sizeof(r->err.msg), "%s", t->why);
}

/* As `chaos create --from SNAP --name NAME`. */
static struct result take(const char *from, const char *name)
{
	struct stream_stats st;
	struct result r = {0};
	int rc = engine_create_from(en, from, name, NULL, 0, on_created, &r, &st, &r.err);

	if (rc < 0)
		r.rc = rc;
	else
		until(r.called);
	return r;
}

/* Its page says so, and its channel is bound on both sides. */
static void is_booted(const struct vm *vm)
{
	struct noxs_page *p = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(p);
	assert_true(p->flags & NOXS_FLAG_RESUMED);
	assert_true(p->generation >> 63);
	assert_true(p->wallclock_ns > 0);
	assert_int_equal(p->domid, vm_domid(vm));
	assert_memory_equal(p->uuid, vm_uuid_bytes(vm), 16);
	assert_int_not_equal(p->control.local_port, 0);
	assert_int_equal(p->control.local_port, vm_guest_port(vm));
	(void)munmap(p, 4096);
}

static void on_snapshot(void *arg, int rc, const struct snapshot *x, const struct stream_stats *st,
			const struct err *e)
{
	struct result *r = arg;

	(void)x;
	(void)st;
	r->called = true;
	r->rc = rc;
	r->err = *e;
}

/* Of a guest that is gone then. */
static void snapshot_of(enum dom_type type, uint32_t can)
{
	struct vm *vm = living("web", type);
	struct result r = {0};

	says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN | can);

	assert_int_equal(vm_snapshot(vm, "snap", on_snapshot, &r, &r.err), 0);
	until(r.called);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	destroy(vm);
	settle(0);
}

static void snapshot(enum dom_type type)
{
	snapshot_of(type, 0);
}

static void on_removed(void *arg, int rc, const struct err *e)
{
	struct result *r = arg;

	(void)e;
	r->called = true;
	r->rc = rc;
}

static int forget_snapshot(void)
{
	struct result r = {0};

	r.rc = snapshot_rm(engine_snapshots(en), "snap", on_removed, &r, &r.err);
	if (r.rc == 0)
		until(r.called);
	return r.rc;
}

static void a_copy_is_taken_and_the_pool_refills(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct result r;

		snapshot(types[i]);
		must_set(2);
		until(pool_ready() == 2);
		r = take("snap", "a");
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.way, VM_BOOTED);
		is_booted(r.vm);
		is_paused(r.vm, false);
		assert_string_equal(vm_name(r.vm), "a");
		until(pool_ready() == 2);
		r = take("snap", "a"); /* its name is taken; no copy is lost */
		assert_int_equal(r.rc, -EEXIST);
		assert_int_equal(pool_ready(), 2);
		assert_int_equal(forget_snapshot(), -EBUSY);
		destroy(engine_find(en, "a"));
		must_set(0);
		settle(0);
		assert_int_equal(forget_snapshot(), 0);
		only_the_daemon_is_left();
	}
}

/* A create that finds none reads the file. */
static void without_one_the_file_is_read(void **state)
{
	struct result r;

	(void)state;
	snapshot(DOM_PVH);
	must_set(1);
	until(pool_ready() == 1);
	r = take("snap", "a");
	assert_int_equal(r.way, VM_BOOTED);
	r = take("snap", "b");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_COLD);
	assert_string_equal(r.err.msg, "the pool ran dry");
	is_resumed(r.vm);
	destroy(engine_find(en, "a"));
	destroy(engine_find(en, "b"));
	must_set(0);
	r = take("snap", "c");
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.err.msg, "no flavor of this snapshot");
	destroy(engine_find(en, "c"));
	settle(0);
	assert_int_equal(forget_snapshot(), 0);
	only_the_daemon_is_left();
}

/* 64 of them: no two have a uuid, a domain, a seed or a generation in common. */
static void each_is_another_one(void **state)
{
	static struct noxs_page page[64];

	(void)state;
	snapshot(DOM_PV);
	must_set(8);
	for (size_t i = 0; i < 64; i++) {
		char name[16];
		struct noxs_page *p;
		struct result r;

		until(pool_ready() > 0);
		(void)snprintf(name, sizeof(name), "c%zu", i);
		r = take("snap", name);
		assert_int_equal(r.way, VM_BOOTED);
		p = fake_page(vm_domid(r.vm), vm_dev_frame(r.vm));
		assert_non_null(p);
		page[i] = *p;
		(void)munmap(p, 4096);
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(page[k].uuid, page[i].uuid, 16);
			assert_memory_not_equal(page[k].seed, page[i].seed, sizeof(page[k].seed));
			assert_true(page[k].generation != page[i].generation);
			assert_true(page[k].domid != page[i].domid);
		}
	}
	for (size_t i = 0; i < 64; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "c%zu", i);
		destroy(engine_find(en, name));
	}
	must_set(0);
	settle(0);
	only_the_daemon_is_left();
}

static void flavors_are_checked(void **state)
{
	struct result r;

	(void)state;
	r = set(1, 1);
	assert_int_equal(r.rc, -ENOENT);
	assert_non_null(strstr(r.err.msg, "snap"));
	r = set(0, 0);
	assert_int_equal(r.rc, -ENOENT);
	snapshot(DOM_PV);
	r = set(3, 2);
	assert_int_equal(r.rc, -EINVAL);
	assert_int_equal(forget_snapshot(), 0); /* nothing holds it */
	only_the_daemon_is_left();
}

static void on_rollback(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	on_snapshot(arg, rc, NULL, st, e);
}

static void on_slept(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	s->called = true;
	s->rc = rc;
	s->st = *st;
	if (rc < 0)
		s->err = *e;
}

static void each_call_fails(void)
{
	for (uint32_t nth = 1;; nth++) {
		struct result r;
		bool failed;

		fake_fail_at(nth, EIO);
		r = set(1, 1);
		for (int i = 0; r.rc >= 0 && i < 50 && pool_ready() == 0; i++)
			tick();
		if (r.rc >= 0 && pool_ready()) {
			r = take("snap", "a");
			assert_true(r.rc == 0 || r.err.msg[0]);
		}
		failed = fake_failed() != NULL;
		fake_fail_at(0, 0);
		if (engine_find(en, "a"))
			destroy(engine_find(en, "a"));
		(void)set(0, 0);
		settle(0);
		only_the_daemon_is_left();
		if (!failed)
			break;
	}
}

/* Every call that can fail, while a copy is made and taken. */
static void what_fails_leaves_nothing(void **state)
{
	(void)state;
	snapshot(DOM_PVH);
	each_call_fails();
	assert_int_equal(forget_snapshot(), 0);
	snapshot_of(DOM_PV, NOXS_CAN_SHARE);
	each_call_fails();
}

/* A copy that was connected in the pool is a VM as others are. */
static void one_is_saved_and_set_back(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct saved s = {0};
		struct result o = {0};
		struct result r;
		int file;

		snapshot(types[i]);
		must_set(1);
		until(pool_ready() == 1);
		r = take("snap", "a");
		assert_int_equal(r.way, VM_BOOTED);
		must_set(0);
		says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
		for (int turn = 0; turn < 3; turn++) {
			o = (struct result){0};
			if (turn == 2) { /* and by the next daemon */
				daemon_dies();
				daemon_starts();
				r.vm = engine_find(en, "a");
				assert_non_null(r.vm);
			}
			o.rc = vm_rollback(r.vm, NULL, 0, on_rollback, &o, &o.err);
			if (o.rc == 0)
				until(o.called);
			if (o.rc < 0)
				fail_msg("turn %d: %s", turn, o.err.msg);
			assert_int_equal(vm_state(r.vm), VM_RUNNING);
			is_resumed(r.vm);
			fake_event(vm_domid(r.vm));
			tick();
			until(streams_test_count(en) == 0);
		}
		file = save(r.vm, 0, &s);
		if (s.rc < 0)
			fail_msg("%s", s.err.msg);
		assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
		assert_int_equal(vm_rm(r.vm, NULL), 0);
		r = restore(file, "b", 0);
		assert_int_equal(r.rc, 0);
		(void)close(file);
		destroy(r.vm);
		settle(0);
		assert_int_equal(forget_snapshot(), 0);
		only_the_daemon_is_left();
	}
}

/* It sleeps and wakes, its own end of the channel with it. */
static void one_sleeps_and_wakes(void **state)
{
	struct restored k = {0};
	struct saved s = {0};
	struct result r;

	(void)state;
	snapshot(DOM_PVH);
	must_set(1);
	until(pool_ready() == 1);
	r = take("snap", "a");
	assert_int_equal(r.way, VM_BOOTED);
	must_set(0);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	s.rc = vm_sleep(r.vm, on_slept, &s, &s.err);
	if (s.rc == 0)
		until(s.called);
	if (s.rc < 0)
		fail_msg("%s", s.err.msg);
	settle(0);
	assert_int_equal(vm_wake(r.vm, "a test", 0, on_restored, &k, &k.st, &k.r.err), 0);
	until(k.r.called);
	if (k.r.rc < 0)
		fail_msg("%s", k.r.err.msg);
	is_resumed(r.vm);
	destroy(r.vm);
	settle(0);
	assert_int_equal(forget_snapshot(), 0);
	only_the_daemon_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_copy_is_taken_and_the_pool_refills),
		LIFE(without_one_the_file_is_read),
		LIFE(each_is_another_one),
		LIFE(flavors_are_checked),
		LIFE(what_fails_leaves_nothing),
		LIFE(one_is_saved_and_set_back),
		LIFE(one_sleeps_and_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
