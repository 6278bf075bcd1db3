/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that guests ask for: what both pages say, limits, lies, calls that fail, a daemon that
 * is killed; and that no grant, port, domain or mapping is left. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <xen/sched.h>

static struct vm *parent(const char *name, enum dom_type type, uint32_t fork, uint32_t depth)
{
	struct vm_config c = guest(name, type, 256);
	struct result r;

	c.fork = fork;
	c.fork_depth = depth;
	if (fork)
		c.limits = vm_fork_limits;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN | NOXS_CAN_FORK);
	return r.vm;
}

static struct noxs_fork shown(const struct vm *vm)
{
	struct noxs_page *p = fake_page(vm_domid(vm), vm_dev_frame(vm));
	struct noxs_fork f = p->fork;

	assert_false(p->seq & 1);
	(void)munmap(p, 4096);
	return f;
}

static void say_words(const struct vm *vm, uint32_t seq, uint32_t slot, uint32_t frame)
{
	struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	c->fork_slot = slot;
	c->fork_frame[0] = frame;
	c->fork_frame[1] = frame ? frame + 1 : 0;
	c->fork_seq = seq;
	(void)munmap(c, 4096);
}

static bool answered(const struct vm *vm, uint32_t seq)
{
	return shown(vm).seq == seq;
}

/* Asks, and returns the answer. */
static int ask(const struct vm *vm, uint32_t seq, uint32_t slot)
{
	say_words(vm, seq, slot, 5);
	fake_event(vm_domid(vm));
	until(answered(vm, seq));
	return shown(vm).result;
}

static struct vm *child_of(const char *name)
{
	struct vm *vm = vm_by_name(en, name);

	assert_non_null(vm);
	return vm;
}

static bool permits(const struct vm *vm, uint32_t slot, uint32_t to)
{
	struct fake_grant g = {0};

	return fake_grant(vm_domid(vm), NOXS_FORK_GRANT + slot * NOXS_FORK_PAGES, &g) && g.to == to;
}

static void nothing_is_left(void)
{
	until(streams_test_count(en) == 0);
	settle(0);
	only_the_daemon_is_left();
}

static void end(struct vm *vm, uint32_t code)
{
	struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	c->exit_code = code;
	c->state = NOXS_STATE_STOPPING;
	(void)munmap(c, 4096);
	fake_end(vm_domid(vm), SHUTDOWN_poweroff);
	deaths_scan(engine_deaths(en));
}

static void both_know_each_other(void **state)
{
	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct vm *vm = parent("web", (enum dom_type)type, 2, 1);
		struct noxs_fork f;
		struct vm *child;

		assert_int_equal(ask(vm, 1, 3), 1);
		child = child_of("web.1");
		assert_int_equal(vm_state(child), VM_RUNNING);
		is_resumed(child);
		assert_true(permits(vm, 3, vm_domid(child)));
		f = shown(child);
		assert_int_equal(f.self, 1);
		assert_int_equal(f.pages, 2);
		assert_int_equal(f.gref, NOXS_FORK_GRANT + 6);
		assert_int_equal(f.evtchn.remote_domid, vm_domid(vm));
		assert_int_equal(f.evtchn.local_port, shown(vm).evtchn.remote_port);
		assert_int_equal(shown(vm).evtchn.remote_domid, vm_domid(child));
		assert_int_equal(shown(vm).child[3].number, 1);
		assert_int_equal(shown(vm).child[3].status, 0);
		end(child, 77);
		until(shown(vm).child[3].status);
		assert_int_equal(shown(vm).child[3].status, NOXS_CHILD_ENDED | 77);
		assert_false(permits(vm, 3, f.evtchn.remote_domid));
		settle(1);
		destroy(vm);
		assert_int_equal(vm_rm(vms_ended(en), NULL), 0);
		nothing_is_left();
	}
}

static void limits_and_lies_are_refused(void **state)
{
	struct vm *vm = parent("web", DOM_PVH, 2, 1);
	struct vm *no = parent("no", DOM_PVH, 0, 0);

	(void)state;
	assert_int_equal(ask(no, 1, 0), -NOXS_FORK_EPERM);
	assert_int_equal(ask(vm, 1, NOXS_CHILDREN_MAX), -NOXS_FORK_EINVAL);
	assert_int_equal(ask(vm, UINT32_MAX, 0), -NOXS_FORK_EINVAL);
	say_words(vm, 2, 0, (uint32_t)vm_dev_frame(vm));
	fake_event(vm_domid(vm));
	until(answered(vm, 2));
	assert_int_equal(shown(vm).result, -NOXS_FORK_EINVAL);
	say_words(vm, 3, 0, 1u << 30);
	fake_event(vm_domid(vm));
	until(answered(vm, 3));
	assert_int_equal(shown(vm).result, -NOXS_FORK_EINVAL);
	assert_int_equal(ask(vm, 4, 0), 4);
	assert_int_equal(ask(vm, 5, 0), -NOXS_FORK_EAGAIN); /* the slot is in use */
	assert_int_equal(ask(vm, 6, 1), 6);
	assert_int_equal(ask(vm, 7, 2), -NOXS_FORK_EAGAIN); /* two at a time */
	says(child_of("web.4"), NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	assert_int_equal(ask(child_of("web.4"), 8, 0), -NOXS_FORK_EPERM); /* not so deep */
	/* what its last child has mapped still is not given to another one */
	fake_grant_map(vm_domid(vm), NOXS_FORK_GRANT, true);
	destroy(child_of("web.4"));
	assert_int_equal(shown(vm).child[0].status, NOXS_CHILD_ENDED | NOXS_CHILD_ABNORMAL);
	say_words(vm, 9, 0, 5);
	fake_event(vm_domid(vm));
	for (int i = 0; i < 20; i++)
		turn(NULL);
	assert_false(answered(vm, 9)); /* its domain goes: waited for */
	fake_grant_map(vm_domid(vm), NOXS_FORK_GRANT, false);
	until(answered(vm, 9));
	assert_int_equal(shown(vm).result, 9);
	destroy(child_of("web.9"));
	fake_grant_map(vm_domid(vm), NOXS_FORK_GRANT, true);
	assert_int_equal(ask(vm, 10, 0), -NOXS_FORK_EAGAIN); /* but not for ever */
	fake_grant_map(vm_domid(vm), NOXS_FORK_GRANT, false);
	assert_int_equal(ask(vm, 11, 0), 11);
	/* one that cannot be copied */
	says(vm, 0);
	destroy(child_of("web.6"));
	assert_int_equal(ask(vm, 12, 1), -NOXS_FORK_EOPNOTSUPP);
	/* children end with their parent */
	destroy(vm);
	until(!vm_by_name(en, "web.11"));
	destroy(no);
	nothing_is_left();
}

/* Each call that can fail does so once: an error, or a child; never both, and nothing else. */
static void calls_may_fail(void **state)
{
	struct vm *vm = parent("web", DOM_PVH, 2, 1);
	uint32_t seq = 0;
	uint32_t worked = 0;

	(void)state;
	for (uint32_t n = 1; worked < 3 && n < 200; n++) {
		int rc;

		fake_fail_at(n, n % 2 ? ENOMEM : EINVAL);
		rc = ask(vm, ++seq, 0);
		worked = fake_failed() ? 0 : worked + 1;
		fake_fail_at(0, 0);
		if (rc > 0)
			destroy(child_of(vm_name(vm_next(vms_alive(en)))));
		until(streams_test_count(en) == 0);
		settle(1);
		if (vm_state(vm) == VM_PAUSED) /* it could not be unpaused */
			assert_int_equal(vm_unpause(vm, NULL), 0);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		is_paused(vm, false);
		assert_false(permits(vm, 0, 0) || fork_children(vm));
	}
	assert_int_equal(worked, 3);
	destroy(vm);
	nothing_is_left();
}

static void a_killed_daemon_makes_no_second_one(void **state)
{
	struct vm *vm = parent("web", DOM_PVH, 3, 1);
	struct noxs_page *p;
	uint32_t domid;
	uint32_t gone;

	(void)state;
	assert_int_equal(ask(vm, 1, 0), 1);
	assert_int_equal(ask(vm, 2, 1), 2);
	domid = vm_domid(child_of("web.2"));
	/* killed before the answer to 2 was there: it is found */
	p = fake_page(vm_domid(vm), vm_dev_frame(vm));
	p->fork.seq = 1;
	p->fork.result = 1;
	(void)munmap(p, 4096);
	gone = vm_domid(child_of("web.1"));
	daemon_dies();
	fake_vanish(gone);
	daemon_starts();
	vm = child_of("web");
	until(answered(vm, 2));
	assert_int_equal(shown(vm).result, 2);
	assert_int_equal(shown(vm).evtchn.remote_domid, domid);
	assert_int_equal(vm_domid(child_of("web.2")), domid);
	/* one has ended while no daemon looked */
	assert_int_equal(shown(vm).child[0].status, NOXS_CHILD_ENDED | NOXS_CHILD_ABNORMAL);
	assert_true(permits(vm, 1, domid));
	assert_false(permits(vm, 0, 0));
	/* and a request that no daemon has seen is answered once */
	say_words(vm, 3, 0, 5);
	daemon_dies();
	daemon_starts();
	vm = child_of("web");
	until(answered(vm, 3));
	assert_int_equal(shown(vm).result, 3);
	/* without a parent they go */
	domid = vm_domid(vm);
	daemon_dies();
	fake_vanish(domid);
	daemon_starts();
	until(!vm_by_name(en, "web.2") && !vm_by_name(en, "web.3"));
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(both_know_each_other),
		LIFE(limits_and_lies_are_refused),
		LIFE(calls_may_fail),
		LIFE(a_killed_daemon_makes_no_second_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
