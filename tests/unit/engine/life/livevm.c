/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs on the fake that run while they are copied: rounds, and what ends them when. Xen notes what
 * a VM writes for as long as that is of use. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

#include "libdom/live.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/migrate.h"
#include "split-toolstack/engine/vm/parts.h"

#define WRITTEN 40u /* frames that the guest writes between rounds, from here on */

struct moving {
	struct saved s;
	struct restored r;
	uint32_t rounds, arrived;
	int fd[2];
};

static void on_saved(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct moving *m = arg;

	m->s.called = true;
	m->s.rc = rc;
	m->s.st = *st;
	if (e)
		m->s.err = *e;
}

static void on_round(void *arg, const struct live_round *r)
{
	struct moving *m = arg;

	m->rounds++;
	assert_int_equal(r->number, m->rounds);
}

static void on_arrived(void *arg, uint32_t round)
{
	struct moving *m = (struct moving *)(void *)((char *)arg - offsetof(struct moving, r));

	m->arrived++;
	assert_int_equal(round, m->arrived);
}

static void open_pipe(struct moving *m)
{
	*m = (struct moving){.rounds = 0};
	assert_int_equal(pipe2(m->fd, O_CLOEXEC), 0);
	assert_true(fcntl(m->fd[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
}

static struct vm *leaving(struct moving *m)
{
	struct result r = create(guest("web", DOM_PVH, 1024), 0);
	struct vm *vm = r.vm;

	assert_int_equal(r.rc, 0);
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	open_pipe(m);
	assert_int_equal(vm_save_live(vm, m->fd[1], on_saved, on_round, m, &m->s.id, &m->s.err), 0);
	assert_int_equal(vm_state(vm), VM_SAVING);
	until(m->rounds == 1);
	assert_true(fake_notes(vm_domid(vm)));
	is_paused(vm, false);
	return vm;
}

static void writes(const struct vm *vm, uint64_t gfn, int byte)
{
	uint8_t *at = fake_page(vm_domid(vm), gfn);

	memset(at, byte, 4096);
	(void)munmap(at, 4096);
	fake_wrote(vm_domid(vm), gfn);
}

static void runs_on(struct vm *vm)
{
	until(vm_state(vm) == VM_RUNNING);
	is_paused(vm, false);
	assert_false(fake_notes(vm_domid(vm)));
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

/* Both ends in one engine, the other one under another name. */
static void it_moves(void **state)
{
	struct moving m;
	struct vm *vm = leaving(&m), *there;
	uint8_t *at;

	(void)state;
	assert_int_equal(engine_receive(en, m.fd[0], "there", 0, on_restored, on_arrived, &m.r,
					&m.r.st, &m.r.id, &m.r.r.err),
			 0);
	until(m.arrived == 1);
	for (uint32_t i = 0; i < 60; i++)
		writes(vm, 100 + i, (int)i);
	assert_int_equal(vm_save_round(en, m.s.id, NULL), 0);
	assert_int_equal(vm_save_round(en, m.s.id, NULL), -EPROTO);
	until(m.arrived == 2 && m.rounds == 2);
	is_paused(vm, false);
	writes(vm, 100, 0xee);
	assert_int_equal(vm_save_round(en, m.s.id, NULL), 0);
	until(m.s.called && m.r.r.called);
	assert_int_equal(m.s.rc, 0);
	assert_int_equal(m.r.r.rc, 0);
	is_paused(vm, true);
	assert_false(fake_notes(vm_domid(vm)));
	there = m.r.r.vm;
	at = fake_page(vm_domid(there), 100);
	assert_int_equal(at[17], 0xee);
	(void)munmap(at, 4096);
	at = fake_page(vm_domid(there), 159);
	assert_int_equal(at[17], 59);
	(void)munmap(at, 4096);
	assert_int_equal(vm_save_move(en, m.s.id, NULL), 0);
	assert_int_equal(vm_arrival_end(en, m.r.id, true, NULL), 0);
	is_resumed(there);
	assert_int_equal(vm_moved(vm, true, NULL), 0);
	assert_int_equal(vm_rm(vm, NULL), 0);
	until(streams_test_count(en) == 0);
	destroy(there);
	settle(0);
	only_the_daemon_is_left();
}

static void pv_is_refused(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct moving m;

	(void)state;
	open_pipe(&m);
	assert_int_equal(vm_save_live(vm, m.fd[1], on_saved, on_round, &m, &m.s.id, &m.s.err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err_msg(&m.s.err), "PV guest"));
	(void)close(m.fd[0]);
	runs_on(vm);
}

/* Its client goes, it is unpaused, the other end closes. */
static void it_goes_on(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct moving m;
		struct vm *vm = leaving(&m);

		if (how == 0)
			assert_int_equal(vm_save_end(en, m.s.id, false, NULL), 0);
		else if (how == 1)
			assert_int_equal(vm_unpause(vm, NULL), 0);
		(void)close(m.fd[0]);
		if (how == 2) {
			for (uint64_t i = 0; i < 60; i++)
				writes(vm, WRITTEN + i, 1);
			assert_int_equal(vm_save_round(en, m.s.id, NULL), 0);
		}
		until(m.s.called);
		assert_int_equal(m.s.rc, how == 2 ? -EPIPE : -ECANCELED);
		runs_on(vm);
	}
}

static void it_ends_meanwhile(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		struct moving m;
		struct vm *vm = leaving(&m);

		if (how == 0)
			destroy(vm);
		else
			fake_end(vm_domid(vm), SHUTDOWN_crash);
		until(m.s.called);
		assert_true(m.s.rc < 0);
		if (how == 1) {
			until(vm_state(vm) == VM_ENDED);
			assert_int_equal(vm_rm(vm, NULL), 0);
		}
		(void)close(m.fd[0]);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* Killed: the next one ends what Xen notes. */
static void the_next_daemon_ends_it(void **state)
{
	struct moving m;
	struct vm *vm = leaving(&m);
	uint32_t domid = vm_domid(vm);

	(void)state;
	daemon_dies();
	assert_int_equal(xen_dirty_start(NULL, domid), 0); /* which its end here has stopped */
	daemon_starts();
	(void)close(m.fd[0]);
	vm = engine_find(en, "web");
	assert_non_null(vm);
	runs_on(vm);
}

/* The target: its source goes within a round, or between two. */
static void nothing_of_it_stays(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		struct moving m;
		struct vm *vm = leaving(&m);

		assert_int_equal(engine_receive(en, m.fd[0], "there", 0, on_restored, on_arrived,
						&m.r, &m.r.st, &m.r.id, &m.r.r.err),
				 0);
		until(m.arrived == 1);
		if (how == 0)
			vm_restore_cancel(en, m.r.id);
		assert_int_equal(vm_save_end(en, m.s.id, false, NULL), 0);
		until(m.r.r.called);
		assert_true(m.r.r.rc < 0);
		assert_null(engine_find(en, "there"));
		until(streams_test_count(en) == 0);
		runs_on(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(it_moves),		 LIFE(pv_is_refused),		LIFE(it_goes_on),
		LIFE(it_ends_meanwhile), LIFE(the_next_daemon_ends_it), LIFE(nothing_of_it_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
