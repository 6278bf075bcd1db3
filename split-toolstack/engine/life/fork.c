/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that guests request: rules, limits, and the branch that makes each. */
#include "split-toolstack/engine/life/fork.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/life/branch.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* A request stays in the guest's control page until the device page has its answer, so no step is
 * recorded. A daemon that finds a request without an answer also finds the child, if it exists,
 * because the child's record has the number of the request. A child without a record is removed
 * like any other incomplete build. */

/* Seconds until a request is looked at again while its VM does not run; doubled each time. */
#define AGAIN_MIN_S 0.001
#define AGAIN_MAX_S 0.5
/* Limits for requests of one VM: so many at once, then one in each interval. Refused ones count,
 * too. */
#define BURST	  64u
#define REFILL_NS 2000000u
/* Seconds to wait for the removal of the domain of the last child in a slot, which follows the
 * report of its end. */
#define SLOT_NS	 5000000000u
#define ORPHAN_S 0.5 /* until a failed destroy is tried again */

/* The requests of a VM: allocated at the first one, freed with its domain. */
struct fork {
	struct vm *vm; /* NULL: its domain was removed, and the branch ends soon */
	ev_timer again;
	double wait_s;
	uint64_t credit_ns; /* time that it may use: REFILL_NS for each request */
	uint64_t since_ns;  /* the time to which credit_ns refers */
	/* time since when the request waits for the slot's last child, whose domain still exists;
	 * 0: it does not wait */
	uint64_t slot_ns;
	bool busy; /* a child is being made: */
	stream_id id;
	struct noxs_fork_request want;
	uint64_t start_ns;
	uint8_t last[NOXS_CHILDREN_MAX][16]; /* the last child of each slot; zeros: none */
};

/* --- answers --- */

static int guest_error(int rc)
{
	switch (rc) {
	case -EPERM:
		return -NOXS_FORK_EPERM;
	case -ENOMEM:
		return -NOXS_FORK_ENOMEM;
	case -EINVAL:
		return -NOXS_FORK_EINVAL;
	case -EOPNOTSUPP:
		return -NOXS_FORK_EOPNOTSUPP;
	default:
		return -NOXS_FORK_EAGAIN;
	}
}

static void refuse(struct fork *f, int rc)
{
	fork_answer(f->vm, f->want.seq, NULL, guest_error(rc));
}

static void retry(struct fork *f, double seconds)
{
	ev_timer_stop(engine_loop(vm_engine(f->vm)), &f->again);
	ev_timer_set(&f->again, seconds, 0.);
	ev_timer_start(engine_loop(vm_engine(f->vm)), &f->again);
}

static void check_later(struct fork *f)
{
	f->wait_s = f->wait_s * 2 < AGAIN_MAX_S ? f->wait_s * 2 : AGAIN_MAX_S;
	retry(f, f->wait_s);
}

/* Removes the slot's last child from the history. */
static void remember(struct fork *f, const struct vm *child)
{
	static const uint8_t none[16];
	uint8_t *last = f->last[vm_cfg(child)->child.slot];
	struct vm *old = memcmp(last, none, sizeof(none)) != 0
				 ? engine_find_uuid(vm_engine(child), last)
				 : NULL;

	if (old && old != child && life_is_over(old))
		vm_delete(old);
	memcpy(last, vm_uuid_bytes(child), 16);
}

/* --- a branch --- */

static bool made(void *arg, struct vm *child, const struct vm_timings *t)
{
	struct fork *f = arg;

	if (!f->vm)
		return true;
	fork_answer(f->vm, f->want.seq, child, 0);
	remember(f, child);
	log_line(LOG_INFO, "op=fork dom=%u name=%s child=%s way=%s us=%llu", vm_domid(f->vm),
		 vm_name(f->vm), vm_name(child), vm_way_name(t->way),
		 (unsigned long long)(clock_ns() - f->start_ns) / 1000);
	return true;
}

static void done(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct fork *f = arg;

	(void)st;
	f->busy = false;
	if (!f->vm) {
		free(f);
		return;
	}
	if (rc < 0) {
		log_line(LOG_WARN, "op=fork dom=%u name=%s: %s", vm_domid(f->vm), vm_name(f->vm),
			 err_msg(e));
		refuse(f, rc);
	}
	if (fork_is_wanted(f->vm))
		retry(f, 0.);
}

static const struct branch_ops ops = {.made = made, .done = done};

static void begin(struct fork *f, struct vm *vm)
{
	struct vm_child child = {.number = f->want.seq, .slot = f->want.slot};
	char name[VM_NAME_MAX + 12];
	const struct branch_want want = {.name = name, .count = 1, .child = &child};
	struct err e = {0};
	int rc;

	(void)snprintf(name, sizeof(name), "%s.%u", vm_name(vm), child.number);
	memcpy(child.parent, vm_uuid_bytes(vm), sizeof(child.parent));
	memcpy(child.frame, f->want.frame, sizeof(child.frame));
	f->busy = true;
	rc = vm_branch(vm, &want, &ops, f, &f->id, &e);
	if (rc == 0)
		return;
	f->busy = false;
	log_line(LOG_WARN, "op=fork dom=%u name=%s: %s", vm_domid(vm), vm_name(vm), err_msg(&e));
	refuse(f, rc);
}

/* --- a request --- */

static bool may_now(struct fork *f)
{
	uint64_t now = clock_ns();

	f->credit_ns += now - f->since_ns;
	f->since_ns = now;
	if (f->credit_ns > (uint64_t)BURST * REFILL_NS)
		f->credit_ns = (uint64_t)BURST * REFILL_NS;
	if (f->credit_ns < REFILL_NS)
		return false;
	f->credit_ns -= REFILL_NS;
	return true;
}

/* Refuses pages that chaosd uses. Pages that are not the guest's are refused by Xen when the child
 * maps them. */
static bool frames_are_fine(const struct vm *vm, const struct noxs_fork_request *w)
{
	bool fine = true;

	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++)
		fine = fine &&
		       (!w->frame[i] ||
			(w->frame[i] != vm_dev_frame(vm) && w->frame[i] != vm_control_frame(vm) &&
			 (vm_cfg(vm)->type == DOM_PV || w->frame[i] < vm_pages(vm))));
	return fine;
}

static int check(struct vm *vm, const struct noxs_fork_request *w)
{
	if (!vm_cfg(vm)->fork)
		return -EPERM;
	if (w->slot >= NOXS_CHILDREN_MAX || w->seq == 0 || w->seq > INT32_MAX ||
	    !frames_are_fine(vm, w))
		return -EINVAL;
	if (fork_child_in_slot(vm, w->slot) || fork_children(vm) >= vm_cfg(vm)->fork)
		return -EAGAIN;
	return fork_slot_check(vm, w->slot);
}

/* The guest can write to its grant table meanwhile, so the number of tries is limited. */
static bool slot_may_come(struct fork *f, int rc)
{
	uint64_t now = clock_ns();

	if (rc != -EBUSY)
		return false;
	if (!f->slot_ns)
		f->slot_ns = now;
	return now - f->slot_ns < SLOT_NS;
}

static void start_if_allowed(struct fork *f)
{
	struct vm *vm = f->vm;
	struct vm *child;
	int rc;

	if (f->busy || !fork_is_wanted(vm))
		return;
	if (vm_state(vm) != VM_RUNNING || fork_is_still(vm) || !may_now(f)) {
		check_later(f);
		return;
	}
	f->start_ns = clock_ns();
	fork_request(vm, &f->want);
	child = fork_child_of_number(vm, f->want.seq);
	if (child) { /* it was made by the last daemon */
		fork_answer(vm, f->want.seq, child, 0);
		return;
	}
	rc = check(vm, &f->want);
	if (slot_may_come(f, rc)) {
		check_later(f);
		return;
	}
	f->wait_s = AGAIN_MIN_S;
	f->slot_ns = 0;
	if (rc < 0)
		refuse(f, rc);
	else
		begin(f, vm);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	start_if_allowed(t->data);
}

void fork_wanted(struct vm *vm)
{
	struct life *life = vm_life(vm);
	struct fork *f = life->forking;

	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f) {
			struct noxs_fork_request r;

			fork_request(vm, &r);
			fork_answer(vm, r.seq, NULL, -NOXS_FORK_ENOMEM);
			return;
		}
		f->vm = vm;
		f->wait_s = AGAIN_MIN_S;
		f->since_ns = clock_ns();
		f->credit_ns = (uint64_t)BURST * REFILL_NS;
		ev_init(&f->again, on_again);
		f->again.data = f;
		life->forking = f;
	}
	if (!ev_is_active(&f->again))
		start_if_allowed(f);
}

/* --- the end --- */

void fork_over(struct vm *vm)
{
	struct life *life = vm_life(vm);
	struct fork *f = life->forking;

	if (!f)
		return;
	life->forking = NULL;
	ev_timer_stop(engine_loop(vm_engine(vm)), &f->again);
	f->vm = NULL;
	if (!f->busy) /* otherwise done() is called */
		free(f);
}

/* --- VMs whose parents have ended --- */

static void arm(struct engine *en, double seconds)
{
	ev_timer *t = &engine_streams(en)->orphans;

	ev_timer_stop(engine_loop(en), t);
	ev_timer_set(t, seconds, 0.);
	ev_timer_start(engine_loop(en), t);
}

static void on_orphans(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct err e = {0};
	struct vm *vm;

	(void)loop;
	(void)revents;
	while ((vm = fork_next_orphan(en)) != NULL) {
		if (life_is_over(vm))
			continue;
		log_line(LOG_INFO, "op=fork name=%s: destroyed, because its parent has ended",
			 vm_name(vm));
		if (life_event(vm, LIFE_DESTROY, &(struct life_news){.e = &e}) == 0)
			continue;
		log_line(LOG_ERROR, "op=fork name=%s: %s; chaosd tries again", vm_name(vm),
			 err_msg(&e));
		fork_make_orphan(vm);
		arm(en, ORPHAN_S);
		return;
	}
}

void fork_orphaned(struct engine *en)
{
	ev_timer *t = &engine_streams(en)->orphans;

	if (ev_is_active(t))
		return;
	ev_init(t, on_orphans);
	t->data = en;
	arm(en, 0.);
}

void forks_close(struct engine *en)
{
	ev_timer_stop(engine_loop(en), &engine_streams(en)->orphans);
	/* open requests are answered by the next daemon */
	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm)) {
		struct fork *f = vm_life(vm)->forking;

		if (!f || !f->busy)
			continue;
		branch_forget(en, f->id);
		f->busy = false;
	}
}
