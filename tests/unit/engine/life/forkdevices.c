/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of guests with devices: they have none, and nothing of the parent's is touched. */
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/devices_help.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>
#include <xen/sched.h>

#define CAN   (NOXS_CAN_SAVE | NOXS_CAN_PLAIN | NOXS_CAN_FORK)
#define RINGS 3u /* of a vif and a vbd */

static struct vm *parent(enum dom_type type, uint32_t depth, uint32_t can)
{
	struct vm_config c = net_and_disk("web");
	struct result r;

	c.type = type;
	c.fork = 2;
	c.fork_depth = depth;
	c.limits = vm_fork_limits;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	work_until(vm_state(r.vm) == VM_RUNNING && connected(r.vm) == 2);
	says(r.vm, can);
	return r.vm;
}

static void page_of(const struct vm *vm, struct noxs_page *out)
{
	void *p = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(p);
	memcpy(out, p, sizeof(*out));
	(void)munmap(p, 4096);
}

/* Asks for a child in slot 0. */
static void request(const struct vm *vm, uint32_t seq)
{
	struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	c->fork_slot = 0;
	c->fork_frame[0] = 5;
	c->fork_frame[1] = 6;
	c->fork_seq = seq;
	(void)munmap(c, 4096);
	fake_event(vm_domid(vm));
}

/* ... and returns the answer. */
static int ask(const struct vm *vm, uint32_t seq)
{
	struct noxs_page page;

	request(vm, seq);
	do {
		work_for(1);
		page_of(vm, &page);
	} while (page.fork.seq != seq);
	return page.fork.result;
}

static struct vm *child_of(const char *name)
{
	struct vm *vm = vm_by_name(en, name);

	assert_non_null(vm);
	return vm;
}

/* The pages of its rings are where they were, with no device in them. */
static void has_none(struct vm *vm)
{
	struct noxs_page page;

	assert_int_equal(vm_cfg(vm)->ndevice, 0);
	assert_int_equal(vm_cfg(vm)->spare_rings, RINGS);
	assert_false(devices_any(vm_devices(vm)));
	page_of(vm, &page);
	assert_int_equal(page.ndev, 0);
	for (uint32_t i = 0; i < NOXS_MAX_DEVICES; i++)
		assert_int_equal(page.dev[i].type, NOXS_DEV_NONE);
	assert_int_equal(page.domid, vm_domid(vm));
}

static void end(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	work_for(5);
}

static void children_have_none(void **state)
{
	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct vm *vm = parent((enum dom_type)type, 2, CAN | NOXS_CAN_DEVICES);
		uint32_t backends = kernel_nbackends();
		struct noxs_page before;
		struct noxs_page after;
		struct vm *child;

		page_of(vm, &before);
		assert_int_equal(ask(vm, 1), 1);
		child = child_of("web.1");
		assert_int_equal(vm_state(child), VM_RUNNING);
		is_resumed(child);
		has_none(child);
		/* the parent has its own as before, though it was not asked to suspend */
		page_of(vm, &after);
		assert_memory_equal(after.dev, before.dev, sizeof(before.dev));
		assert_int_equal(after.generation, before.generation);
		assert_int_equal(connected(vm), 2);
		assert_int_equal(kernel_nbackends(), backends);
		/* likewise a child of the child, and a child after a restart of the daemon */
		says(child, CAN | NOXS_CAN_DEVICES);
		assert_int_equal(ask(child, 2), 2);
		has_none(child_of("web.1.2"));
		engine_close(en);
		en = NULL;
		fake_process_died();
		daemon_starts();
		work_for(5);
		has_none(child_of("web.1"));
		vm = child_of("web");
		assert_int_equal(connected(vm), 2);
		assert_int_equal(ask(child_of("web.1"), 3), -NOXS_FORK_EAGAIN); /* the slot */
		end(child_of("web.1.2"));
		assert_int_equal(ask(child_of("web.1"), 4), 4);
		has_none(child_of("web.1.4"));
		end(vm);
		work_until(!vms_alive(en));
		while (vms_ended(en))
			assert_int_equal(vm_rm(vms_ended(en), NULL), 0);
	}
	nothing_is_left(0);
}

/* The next daemon answers what this one had begun. */
static void the_daemon_ends_meanwhile(void **state)
{
	struct vm *vm = parent(DOM_PVH, 1, CAN | NOXS_CAN_DEVICES);
	struct noxs_page page;

	(void)state;
	request(vm, 1);
	while (!streams_test_branches(en))
		tick();
	engine_close(en);
	en = NULL;
	fake_process_died();
	daemon_starts();
	vm = child_of("web");
	do {
		work_for(1);
		page_of(vm, &page);
	} while (page.fork.seq != 1);
	assert_int_equal(page.fork.result, 1);
	has_none(child_of("web.1"));
	end(vm);
	nothing_is_left(0);
}

/* Its drivers would go on with the rings of the parent. */
static void not_all_images_can(void **state)
{
	struct vm *vm = parent(DOM_PVH, 1, CAN);

	(void)state;
	assert_int_equal(ask(vm, 1), -NOXS_FORK_EOPNOTSUPP);
	assert_null(vm_by_name(en, "web.1"));
	assert_int_equal(connected(vm), 2);
	says(vm, CAN | NOXS_CAN_DEVICES);
	assert_int_equal(ask(vm, 2), 2);
	has_none(child_of("web.2"));
	end(vm);
	nothing_is_left(0);
}

/* Shells of the pool have no room for the rings, or devices of their own: none is taken. */
static void shells_are_left_alone(void **state)
{
	struct pool_flavor f = {
		.type = DOM_PVH, .mem_kib = 4096, .vcpus = 1, .low = 1, .high = 1, .fork = true};
	struct err e = {0};
	struct vm *vm;

	(void)state;
	assert_int_equal(pool_set(en, &f, &e), 0);
	vm = parent(DOM_PVH, 1, CAN | NOXS_CAN_DEVICES);
	assert_int_equal(ask(vm, 1), 1);
	has_none(child_of("web.1"));
	assert_int_equal(pool_ready(), 1);
	f.low = f.high = 0;
	assert_int_equal(pool_set(en, &f, &e), 0);
	end(vm);
	nothing_is_left(0);
}

/* Each call that can fail does so once: an error, or a child; and the parent's devices stay. */
static void calls_may_fail(void **state)
{
	struct vm *vm = parent(DOM_PV, 1, CAN | NOXS_CAN_DEVICES);
	uint32_t seq = 0;
	uint32_t worked = 0;

	(void)state;
	for (uint32_t n = 1; worked < 3 && n < 300; n++) {
		int rc;

		fake_fail_at(n, n % 2 ? ENOMEM : EINVAL);
		rc = ask(vm, ++seq);
		worked = fake_failed() ? 0 : worked + 1;
		fake_fail_at(0, 0);
		if (rc > 0)
			end(vm_next(vms_alive(en)));
		work_until(streams_test_count(en) == 0 && !vm_next(vms_alive(en)));
		if (vm_state(vm) == VM_PAUSED) /* it could not be unpaused */
			assert_int_equal(vm_unpause(vm, NULL), 0);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		assert_int_equal(connected(vm), 2);
		assert_int_equal(fork_children(vm), 0);
	}
	assert_int_equal(worked, 3);
	end(vm);
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(children_have_none), DEVICES(the_daemon_ends_meanwhile),
		DEVICES(not_all_images_can), DEVICES(shells_are_left_alone),
		DEVICES(calls_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
