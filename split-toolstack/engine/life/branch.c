/* SPDX-License-Identifier: BSD-3-Clause */
/* Branches: the state of a VM is taken once, and copies are made from it one after the other. */
#include "split-toolstack/engine/life/branch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/clock.h"
#include "libdom/save.h"
#include "libdom/template.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/life/take.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* Time for copies in one turn of the loop; then requests are served. */
#define TURN_NS 200000u
/* A copy that takes longer does not delay the end of the VM's domain. */
#define UNMAP_S 0.005

struct branch {
	struct branch *prev, *next;
	struct engine *en;
	stream_id id;
	const struct branch_ops *ops; /* NULL: no function is called any more */
	void *arg;
	struct vm_config cfg; /* the VM's, with `name` and no uuid */
	struct template *of;  /* NULL: not taken yet */
	struct taken_disks *disks;
	uint32_t count, made, flags;
	bool numbered;	 /* the names end with numbers */
	uint32_t number; /* number in the last name */
	bool stepping;	 /* inside copy_some() */
	bool copying;	 /* a copy is being made */
	bool waits;	 /* for its client to be ready for the next answer */
	bool given_up;	 /* no more copies */
	ev_timer turn;
	uint64_t start_ns;
	struct stream_stats st;
	int rc; /* error of the copy that failed */
	struct err err;
};

/* Frees a branch that is in no list. */
static void free_unlisted(struct branch *b)
{
	struct engine *en = b->en;

	ev_timer_stop(engine_loop(en), &b->turn);
	template_put(b->of);
	taken_disks_free(b->disks);
	vm_config_clear(&b->cfg);
	free(b);
	streams_give(en);
}

static void free_branch(struct branch *b)
{
	DL_DELETE(engine_streams(b->en)->branches, b);
	free_unlisted(b);
}

static void finish(struct branch *b)
{
	if (b->rc == 0 && b->made < b->count)
		b->rc = err_set(&b->err, ECANCELED, "cancelled: %u of %u copies were made", b->made,
				b->count);
	b->st.total_ns = clock_ns() - b->start_ns;
	DL_DELETE(engine_streams(b->en)->branches, b);
	if (b->ops)
		b->ops->done(b->arg, b->rc, &b->st, &b->err);
	free_unlisted(b); /* after the answer, because it takes time */
}

/* --- one copy --- */

static bool is_free(struct engine *en, const char *name)
{
	return !vm_by_name(en, name) && names_check(en, name, NULL) == 0;
}

static int name_copy(struct branch *b, struct vm_config *c, struct err *e)
{
	int n;

	if (!b->numbered)
		return 0;
	do {
		n = snprintf(c->name, sizeof(c->name), "%s-%u", b->cfg.name, ++b->number);
	} while (n < (int)sizeof(c->name) && !is_free(b->en, c->name));
	if (n >= (int)sizeof(c->name))
		return err_set(e, EINVAL,
			       "name \"%s-%u\": too long; give a shorter one with --name",
			       b->cfg.name, b->number);
	return 0;
}

static bool is_over(const struct branch *b)
{
	return b->rc < 0 || b->given_up || b->made == b->count;
}

static void again(struct branch *b)
{
	if (!is_over(b)) /* the VM may be destroyed meanwhile */
		dom_template_unmap(engine_xen(b->en), b->of->state);
	ev_timer_stop(engine_loop(b->en), &b->turn);
	ev_timer_set(&b->turn, 0., 0.);
	ev_timer_start(engine_loop(b->en), &b->turn);
}

static void copied(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		   const struct err *e)
{
	struct branch *b = arg;

	b->copying = false;
	if (rc < 0) {
		b->err = *e;
		b->rc = err_wrap(&b->err, rc, "copy %u of %u", b->made + 1, b->count);
	} else {
		b->made++;
		if (b->ops)
			b->waits = !b->ops->made(b->arg, vm, t);
	}
	if (b->given_up && !b->stepping)
		finish(b); /* the loop may have ended */
	else if (!b->stepping)
		again(b);
}

static void copy(struct branch *b)
{
	struct vm_config c;
	int rc = vm_config_copy(&c, &b->cfg);

	if (rc < 0)
		(void)err_set(&b->err, ENOMEM, "out of memory");
	if (rc == 0)
		rc = name_copy(b, &c, &b->err);
	if (rc < 0) {
		b->rc = rc;
		vm_config_clear(&c);
		return;
	}
	b->copying = true;
	vm_copy(b->en, &c, b->of, b->disks, b->flags, copied, b);
	vm_config_clear(&c);
}

/* --- copies, one after the other --- */

/* Makes some copies. The branch may be freed afterwards. */
static void copy_some(struct branch *b)
{
	uint64_t start = clock_ns();

	b->stepping = true;
	do
		copy(b);
	while (!b->copying && !b->waits && !is_over(b) && clock_ns() - start < TURN_NS);
	b->stepping = false;
	if (b->copying) { /* copied() continues */
		ev_timer_set(&b->turn, UNMAP_S, 0.);
		ev_timer_start(engine_loop(b->en), &b->turn);
		return;
	}
	if (is_over(b))
		finish(b);
	else if (!b->waits)
		again(b);
}

static void on_turn(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct branch *b = t->data;

	(void)loop;
	(void)revents;
	if (b->copying)
		dom_template_unmap(engine_xen(b->en), b->of->state);
	else if (is_over(b))
		finish(b);
	else if (!b->waits)
		copy_some(b);
}

static void taken(void *arg, int rc, struct save_stream *state, struct taken_disks *disks,
		  const struct stream_stats *st, const struct err *e)
{
	struct branch *b = arg;

	b->st = *st;
	b->disks = disks;
	if (rc == 0) {
		b->of = template_new(b->en, state);
		if (!b->of) {
			dom_template_unmap(engine_xen(b->en), state);
			save_close(state);
			rc = err_set(&b->err, ENOMEM, "out of memory");
		}
	} else {
		b->err = *e;
	}
	b->rc = rc;
	if (is_over(b))
		finish(b);
	else
		copy_some(b);
}

/* --- requests --- */

static int make_name(struct branch *b, const struct branch_want *w, struct err *e)
{
	struct vm_config *c = &b->cfg;
	int n = 0;

	if (w->name)
		n = snprintf(c->name, sizeof(c->name), "%s", w->name);
	if (n >= (int)sizeof(c->name))
		return err_set(e, EINVAL, "name \"%.32s...\": longer than %d characters", w->name,
			       VM_NAME_MAX);
	b->numbered = !w->name || w->count > 1;
	c->have_uuid = false;
	return 0;
}

/* The pages of the rings remain reserved, because the guest's memory is laid out around them. */
static void drop_devices(struct vm_config *c)
{
	c->spare_rings += devices_rings(c);
	while (c->ndevice)
		device_config_clear(&c->device[--c->ndevice]);
}

/* A child has no devices, is destroyed at its end whatever the parent's on_* are, and its
 * fork_depth is one less. */
static void make_child(struct vm_config *c, const struct vm_child *child)
{
	c->child = child ? *child : (struct vm_child){0};
	if (!child)
		return;
	drop_devices(c);
	c->on_poweroff = c->on_reboot = c->on_crash = VM_DESTROY;
	c->fork_depth -= c->fork_depth ? 1 : 0;
	if (!c->fork_depth)
		c->fork = 0;
}

/* A child has none; a copy has MACs of its own, and the disks that it may have. */
static int choose_devices(struct branch *b, const struct vm *vm, const struct branch_want *w,
			  struct err *e)
{
	const struct devices_wish wish = {.en = b->en,
					  .flags = w->flags,
					  .noxs = vm_has_noxs(vm),
					  .known = true,
					  .copy = true,
					  .of = vm,
					  .vif = w->vif};

	make_child(&b->cfg, w->child);
	if (w->vif && w->count > 1)
		return err_set(e, EINVAL, "--vif: only for one copy");
	return w->child ? 0 : restore_check_devices(&wish, &b->cfg, e);
}

/* Whether copies of disks must be made. */
static bool copies_disks(const struct vm_config *c, const struct branch_want *w)
{
	bool any = false;

	for (uint32_t i = 0; i < c->ndevice && w->flags & VM_RESTORE_DISKS_COPY; i++)
		any = any || (device_file(&c->device[i]) && !device_file(&c->device[i])->readonly);
	return any;
}

int vm_branch(struct vm *vm, const struct branch_want *w, const struct branch_ops *ops, void *arg,
	      stream_id *id, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct branch *b;
	int rc;

	if (w->count < 1 || w->count > BRANCH_MOST)
		return err_set(e, EINVAL, "count %u: 1 to %u are possible", w->count, BRANCH_MOST);
	rc = streams_take(en, id, e);
	if (rc < 0)
		return rc;
	b = calloc(1, sizeof(*b));
	if (!b) {
		streams_give(en);
		return err_set(e, ENOMEM, "out of memory");
	}
	*b = (struct branch){.en = en,
			     .id = *id,
			     .ops = ops,
			     .arg = arg,
			     .count = w->count,
			     .flags = w->flags & (VM_CREATE_PAUSED | VM_CREATE_WAIT_READY),
			     .start_ns = clock_ns()};
	DL_APPEND(engine_streams(en)->branches, b);
	ev_init(&b->turn, on_turn);
	b->turn.data = b;
	rc = vm_config_copy(&b->cfg, vm_cfg(vm));
	if (rc < 0)
		(void)err_set(e, ENOMEM, "out of memory");
	(void)snprintf(b->cfg.name, sizeof(b->cfg.name), "%s", vm_name(vm));
	if (rc == 0)
		rc = make_name(b, w, e);
	if (rc == 0)
		rc = choose_devices(b, vm, w, e);
	memcpy(b->cfg.copy_of, vm_uuid_bytes(vm), sizeof(b->cfg.copy_of));
	if (rc == 0)
		rc = vm_take(vm, *id, /* may free the branch */
			     w->child			? TAKE_BARE
			     : copies_disks(&b->cfg, w) ? TAKE_DISKS
							: TAKE_ALL,
			     taken, b, e);
	if (rc < 0)
		free_branch(b);
	return rc;
}

static struct branch *find(struct engine *en, stream_id id)
{
	struct branch *b;

	DL_FOREACH(engine_streams(en)->branches, b)
	if (b->id == id)
		return b;
	return NULL;
}

void vm_branch_more(struct engine *en, stream_id id)
{
	struct branch *b = find(en, id);

	if (!b || !b->waits)
		return;
	b->waits = false;
	if (!b->stepping)
		again(b);
}

void branch_forget(struct engine *en, stream_id id)
{
	struct branch *b = find(en, id);

	if (b)
		b->ops = NULL;
}

void vm_branch_cancel(struct engine *en, stream_id id)
{
	struct branch *b = find(en, id);

	if (!b)
		return;
	b->ops = NULL;
	b->waits = false;
	b->given_up = true;
	if (!b->of)
		/* this calls taken(), which frees the branch */
		(void)vm_save_end(en, id, false, NULL);
	else if (!b->stepping && !b->copying)
		again(b);
}

/* Branches whose copy is on a thread end when the thread has finished. */
void branches_close(struct engine *en)
{
	struct branch *b;
	struct branch *next;

	for (b = engine_streams(en)->branches; b; b = next) {
		next = b->next;
		b->given_up = true;
		if (b->of && !b->copying)
			free_branch(b);
	}
}
