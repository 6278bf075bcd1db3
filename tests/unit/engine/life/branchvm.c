/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a VM: how many, by which names, on the loop and by threads; what of it may fail, be
 * given up or go meanwhile, and that nothing is left. */
#include "split-toolstack/engine/life/branch.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "tests/unit/engine/life/savevm_help.h"

#define MOST 300u

struct copies {
	bool over;
	bool slow; /* the client takes one at a time */
	uint32_t made;
	int rc;
	struct vm *vm[MOST];
	struct stream_stats st;
	stream_id id;
	struct err err;
};

static bool on_made(void *arg, struct vm *copy, const struct vm_timings *t)
{
	struct copies *c = arg;

	(void)t;
	assert_false(c->over);
	assert_true(c->made < MOST);
	c->vm[c->made++] = copy;
	return !c->slow;
}

static void on_done(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct copies *c = arg;

	assert_false(c->over);
	c->over = true;
	c->rc = rc;
	c->st = *st;
	if (rc < 0)
		c->err = *e;
}

static const struct branch_ops ops = {.made = on_made, .done = on_done};

static int begin_branch(struct vm *vm, const char *name, uint32_t n, struct copies *c)
{
	const struct branch_want w = {.name = name, .count = n};

	memset(c, 0, sizeof(*c));
	return vm_branch(vm, &w, &ops, c, &c->id, &c->err);
}

static void branch(struct vm *vm, const char *name, uint32_t n, struct copies *c)
{
	if (begin_branch(vm, name, n, c) < 0)
		fail_msg("%s", c->err.msg);
	until(c->over);
	if (c->rc < 0)
		fail_msg("%s", c->err.msg);
	assert_int_equal(c->made, n);
}

/* With memory of which so many pages are used. */
static struct vm *with_memory(const char *name, enum dom_type type, uint64_t kib)
{
	struct result r = create(guest(name, type, kib), 0);

	assert_int_equal(r.rc, 0);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	return r.vm;
}

static void nothing_is_left(void)
{
	until(streams_test_count(en) == 0);
	assert_int_equal(streams_test_memory(en), 0);
	assert_false(streams_test_branches(en));
	settle(0);
	only_the_daemon_is_left();
}

static const struct {
	enum dom_type type;
	uint64_t kib;
} sizes[] = {{DOM_PV, 256}, {DOM_PVH, 256}, {DOM_PV, 4096}, {DOM_PVH, 4096}};

static void each_is_another(void **state)
{
	static struct copies c;
	static struct copies d;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm *vm = with_memory("web", sizes[i].type, sizes[i].kib);

		branch(vm, NULL, 1, &c);
		assert_string_equal(vm_name(c.vm[0]), "web-1");
		assert_int_equal(vm_state(vm), VM_RUNNING);
		is_paused(vm, false);
		branch(vm, NULL, 3, &d);
		assert_string_equal(vm_name(d.vm[2]), "web-4");
		for (int k = 0; k < 3; k++) {
			is_resumed(d.vm[k]);
			assert_int_equal(vm_state(d.vm[k]), VM_RUNNING);
			is_paused(d.vm[k], false);
			assert_memory_not_equal(vm_uuid_bytes(d.vm[k]), vm_uuid_bytes(vm), 16);
			assert_memory_not_equal(vm_uuid_bytes(d.vm[k]), vm_uuid_bytes(c.vm[0]), 16);
			destroy(d.vm[k]);
		}
		destroy(vm); /* a copy can be copied, whatever became of what it is of */
		says(c.vm[0], NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
		branch(c.vm[0], "other", 1, &d);
		assert_string_equal(vm_name(d.vm[0]), "other");
		destroy(d.vm[0]);
		branch(c.vm[0], "other", 2, &d);
		assert_string_equal(vm_name(d.vm[1]), "other-2");
		destroy(d.vm[0]);
		destroy(d.vm[1]);
		destroy(c.vm[0]);
		nothing_is_left();
	}
}

static void what_cannot_be_is_refused(void **state)
{
	static struct copies c;
	struct vm *vm = living("web", DOM_PV);
	char name[VM_NAME_MAX + 1];

	(void)state;
	assert_int_equal(begin_branch(vm, NULL, 0, &c), -EINVAL);
	assert_int_equal(begin_branch(vm, NULL, BRANCH_MOST + 1, &c), -EINVAL);
	memset(name, 'x', VM_NAME_MAX);
	name[VM_NAME_MAX] = 0;
	assert_int_equal(begin_branch(vm, name, 2, &c), 0);
	until(c.over);
	assert_int_equal(c.rc, -EINVAL);
	assert_non_null(strstr(c.err.msg, "too long"));
	assert_int_equal(begin_branch(vm, "web", 1, &c), 0);
	until(c.over);
	assert_int_equal(c.rc, -EEXIST);
	says(vm, 0);
	assert_int_equal(begin_branch(vm, NULL, 1, &c), -EOPNOTSUPP);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	destroy(vm);
	nothing_is_left();
}

/* Given up after some, by a client that is slow or goes; and a VM that goes while its state is
 * being taken. */
static void given_up(void **state)
{
	static struct copies c;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm *vm = with_memory("web", sizes[i].type, sizes[i].kib);

		assert_int_equal(begin_branch(vm, NULL, MOST, &c), 0);
		until(c.made >= 2);
		vm_branch_cancel(en, c.id);
		assert_false(c.over);
		until(streams_test_count(en) == 0);
		while (c.made)
			destroy(c.vm[--c.made]);
		for (uint32_t k = 1; k <= MOST; k++) { /* the last one, which was under way */
			char name[16];
			struct vm *last;

			(void)snprintf(name, sizeof(name), "web-%u", k);
			last = engine_find(en, name);
			if (last)
				destroy(last);
		}
		assert_int_equal(begin_branch(vm, NULL, 1, &c), 0);
		vm_branch_cancel(en, c.id);
		until(streams_test_count(en) == 0);
		if (engine_find(en, "web-1"))
			destroy(engine_find(en, "web-1"));
		assert_int_equal(begin_branch(vm, NULL, 1, &c), 0);
		destroy(vm);
		until(c.over);
		if (c.rc == 0)
			destroy(c.vm[0]);
		nothing_is_left();
	}
}

static void a_slow_client_is_waited_for(void **state)
{
	static struct copies c;
	struct vm *vm = living("web", DOM_PVH);

	(void)state;
	assert_int_equal(begin_branch(vm, NULL, 2, &c), 0);
	c.slow = true;
	if (c.made == 2) { /* both were made in the first turn */
		until(c.over);
	} else {
		until(c.made == 2);
	}
	destroy(c.vm[0]);
	destroy(c.vm[1]);
	vm_branch_more(en, c.id);
	until(c.over);
	destroy(vm);
	nothing_is_left();
}

static void failing_calls(void **state)
{
	static struct copies c;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm *vm = with_memory("web", sizes[i].type, sizes[i].kib);

		branch(vm, NULL, 1, &c); /* the threads have their handles now */
		destroy(c.vm[0]);
		settle(1);
		for (uint32_t nth = 1;; nth++) {
			bool failed;
			int rc;

			fake_fail_at(nth, EIO);
			rc = begin_branch(vm, NULL, 2, &c);
			if (rc == 0)
				until(c.over);
			rc = rc == 0 ? c.rc : rc;
			failed = fake_failed() != NULL;
			fake_fail_at(0, 0);
			if (rc < 0 && c.err.msg[0] == '\0')
				fail_msg("call %u: no words", nth);
			if (vm_state(vm) == VM_PAUSED)
				assert_int_equal(vm_unpause(vm, NULL), 0);
			assert_int_equal(vm_state(vm), VM_RUNNING);
			is_paused(vm, false);
			while (c.made)
				destroy(c.vm[--c.made]);
			until(streams_test_count(en) == 0);
			settle(1);
			assert_int_equal(streams_test_memory(en), 0);
			if (rc == 0 && !failed)
				break;
		}
		destroy(vm);
		nothing_is_left();
	}
}

/* While a thread takes the state, or fills a copy. */
static void the_daemon_ends_meanwhile(void **state)
{
	static struct copies c;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct vm *vm = with_memory("web", DOM_PVH, i ? 4096 : 256);

		assert_int_equal(begin_branch(vm, NULL, 50, &c), 0);
		if (i == 2)
			until(c.made > 0);
		engine_close(en);
		en = NULL;
		assert_true(c.over || i == 0 || c.made < 50);
		daemon_starts();
		for (uint32_t k = 0; k <= 50; k++) {
			char name[16];

			(void)snprintf(name, sizeof(name), k ? "web-%u" : "web", k);
			vm = engine_find(en, name);
			if (vm && vm_state(vm) == VM_RUNNING)
				destroy(vm);
		}
		nothing_is_left();
	}
}

/* Nothing is taken beyond branch_memory, which says what to do. */
static void more_than_memory_may_have(void **state)
{
	static struct copies c;
	struct vm *vm = with_memory("web", DOM_PVH, 4096);
	uint64_t most;
	struct saved s;

	(void)state;
	most = streams_test_set_most(en, 2 * 4096);
	assert_true(most > 0);
	c.over = false;
	assert_int_equal(begin_branch(vm, NULL, 1, &c), 0);
	until(c.over);
	assert_int_equal(c.rc, -EFBIG);
	assert_non_null(strstr(c.err.msg, "branch_memory"));
	assert_non_null(strstr(c.err.msg, "create --from"));
	assert_int_equal(streams_test_memory(en), 0);
	(void)close(save(vm, VM_SAVE_KEEP, &s)); /* a thread writes it from where it is */
	assert_int_equal(s.rc, 0);
	(void)streams_test_set_most(en, most);
	branch(vm, NULL, 1, &c);
	destroy(c.vm[0]);
	destroy(vm);
	nothing_is_left();
}

static uint64_t control_frame;

static void set_untouched(uint32_t domid, uint64_t from, uint64_t end)
{
	struct noxs_control *c = fake_page(domid, control_frame);

	assert_non_null(c);
	c->untouched_gfn = from;
	c->untouched_end = end;
	(void)munmap(c, 4096);
}

static void all_is_touched(uint32_t domid)
{
	set_untouched(domid, 0, 0);
}

/* It says that it is small, until it is paused: its memory is not copied on the loop. */
static void one_that_says_another_size(void **state)
{
	static struct copies c;

	(void)state;
	for (int lies = 0; lies < 2; lies++) {
		struct vm *vm = with_memory("web", DOM_PVH, 4096);

		control_frame = vm_control_frame(vm);
		set_untouched(vm_domid(vm), 16, 1 << 20);
		fake_at_pause = lies ? all_is_touched : NULL;
		assert_int_equal(begin_branch(vm, NULL, 1, &c), 0);
		assert_int_equal(vm_state(vm), lies ? VM_SAVING : VM_RUNNING);
		until(c.over);
		fake_at_pause = NULL;
		assert_int_equal(c.rc, 0);
		destroy(vm);
		destroy(c.vm[0]);
		nothing_is_left();
	}
}

/* Nothing is carried, but all of the copy is written: not on the loop. */
static void one_of_zeroes(void **state)
{
	struct pool_flavor f = {.type = DOM_PVH, .vcpus = 1, .mem_kib = 32768, .low = 1, .high = 1};
	static struct copies c;
	struct err e = {0};
	bool thread = false;
	struct vm *vm;

	(void)state;
	vm = with_memory("web", DOM_PVH, 32768);
	assert_int_equal(pool_set(en, &f, &e), 0);
	until(pool_ready() == 1);
	assert_int_equal(begin_branch(vm, NULL, 1, &c), 0);
	while (!c.over) {
		tick();
		thread |= streams_test_restores(en);
	}
	assert_int_equal(c.rc, 0);
	assert_true(thread);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, &e), 0);
	destroy(vm);
	destroy(c.vm[0]);
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(each_is_another),
		LIFE(what_cannot_be_is_refused),
		LIFE(given_up),
		LIFE(a_slow_client_is_waited_for),
		LIFE(failing_calls),
		LIFE(one_that_says_another_size),
		LIFE(one_of_zeroes),
		LIFE(more_than_memory_may_have),
		LIFE(the_daemon_ends_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
