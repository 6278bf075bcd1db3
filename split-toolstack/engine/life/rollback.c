/* SPDX-License-Identifier: BSD-3-Clause */
/* Rollback: a thread reads and checks the file of a snapshot, then the VM is stopped and its state
 * is written back. */
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/life/rollback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libdom/template.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/life/kept.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

struct rollback {
	struct worker_job job;
	struct snapshot_hold hold;
	struct engine *en;
	uint8_t uuid[16]; /* of the VM, which may end meanwhile */
	struct transfer file;
	struct save_stream *state;
	const struct snapshot *of; /* held while it is used */
	char digest[65];
	vm_rollback_fn *fn;
	void *arg;
	uint64_t start_ns;
	struct stream_stats st;
	int rc;
	struct err err;
};

/* --- on a thread --- */

static void job_work(struct worker_job *job, struct xen *x)
{
	struct rollback *k = (struct rollback *)job;

	k->rc = x ? save_open(x, &k->file, &k->state, &k->err) : streams_no_handle(&k->err);
	if (k->rc == 0)
		k->rc = save_verify(k->state, &k->err);
}

/* --- on the loop --- */

int rollback_check_state(struct vm *vm, struct err *e)
{
	if (life_now(vm) != NOW_RUNNING && life_now(vm) != NOW_PAUSED)
		return err_set(e, EBUSY,
			       "\"%s\" is %s: only a VM that runs or is paused can be set back",
			       vm_name(vm), vm_state_name(vm_state(vm)));
	return 0;
}

static bool needs_new_domain(struct vm *vm)
{
	return !vm_has_noxs(vm) || vm_has_devices(vm);
}

static int check(struct vm *vm, struct err *e)
{
	int rc = rollback_check_state(vm, e);

	/* it may have got a device meanwhile */
	if (rc == 0 && needs_new_domain(vm))
		rc = err_set(e, EBUSY, "\"%s\" has got a device: try again", vm_name(vm));
	return rc < 0 ? rc : vm_check_save(vm, e);
}

/* Writes its memory and vCPUs. *spoilt: the VM must not run any more. */
static int put_back(struct vm *vm, struct save_stream *state, bool *spoilt, struct err *e)
{
	struct engine *en = vm_engine(vm);
	const struct vm_config *c = vm_cfg(vm);
	const struct save_source now = {.domid = vm_domid(vm),
					.type = c->type,
					.vcpus = vm_config_vcpus(c),
					.pages = vm_pages(vm),
					.dev_frame = vm_dev_frame(vm),
					.control_frame = vm_control_frame(vm),
					.limits = c->limits,
					.frames = vm_dom(vm)->frames,
					.device = vm_map(vm),
					.control = vm_map(vm) + 4096};
	uint64_t generation = 0;
	struct dom d;
	int rc = guest_new_generation(&generation, e);

	if (rc < 0)
		return rc;
	vm_look(vm);		/* reads its console up to now */
	if (c->type == DOM_PVH) /* the set of its pages may have changed */
		mapping_close_now(en, vm_mapping(vm), vm_change_dom(vm));
	mapping_keep(en, vm_mapping(vm));
	dom_init(&d);
	dom_window_move(&d, vm_change_dom(vm));
	d.control = vm_map(vm) + 4096;
	rc = dom_template_back(engine_xen(en), &now, state, &d, spoilt, e);
	if (rc < 0) {
		dom_window_move(vm_change_dom(vm), &d);
		mapping_close_later(en, vm_mapping(vm), vm_change_dom(vm));
		return rc;
	}
	*spoilt = true;
	memcpy(d.uuid, vm_uuid_bytes(vm), sizeof(d.uuid));
	*vm_change_dom(vm) = d;
	if (c->type == DOM_PVH)
		mapping_close_later(en, vm_mapping(vm), vm_change_dom(vm));
	control_keep_port(vm);
	control_close(vm);
	rc = guest_start(vm, generation, e);
	*spoilt = rc < 0;
	return rc;
}

void rollback_note_snapshot(struct vm *vm, const struct snapshot *x)
{
	char *digest = strdup(x->digest);

	vm_life(vm)->set_back++; /* a snapshot that is being made meanwhile is not its parent */
	if (!digest)
		return;
	vm_config_set_snapshot(vm_change_cfg(vm), digest);
}

/* Records it as paused while its state is mixed, so that the next daemon leaves it paused. Its
 * ports will be closed, so it is recorded without a port, and the next daemon searches for the one
 * that exists. */
static int pause_for_rollback(struct vm *vm, struct err *e)
{
	bool runs = life_now(vm) == NOW_RUNNING;
	int rc;

	if (!runs && vm_guest_port(vm) == 0)
		return 0;
	rc = runs ? xen_domain_pause(engine_xen(vm_engine(vm)), vm_domid(vm)) : 0;
	if (rc < 0)
		return err_sys(e, -rc, "pause \"%s\"", vm_name(vm));
	life_go_as(vm, NOW_PAUSED, WANT_PAUSED);
	vm_given_ports(vm, 0, vm_store_port(vm));
	return vm_record(vm, e);
}

static int unpause_again(struct vm *vm, struct err *e)
{
	int rc = xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm));

	if (rc < 0)
		return err_sys(e, -rc, "unpause \"%s\": it stays paused", vm_name(vm));
	life_go_as(vm, NOW_RUNNING, WANT_RUN);
	return vm_record(vm, e);
}

static int set_back(struct rollback *k, struct vm *vm, struct err *e)
{
	bool runs = life_now(vm) == NOW_RUNNING;
	bool spoilt = false;
	uint64_t stop_ns = clock_ns();
	struct err late = {0};
	int late_rc = 0;
	int rc;

	idle_later(engine_idle(vm_engine(vm))); /* reads the snapshot ahead for the next rollback */
	k->st.pages = save_info(k->state)->pages;
	k->st.present = save_info(k->state)->present;
	if (dom_template_writes(k->state) > ROLLBACK_PAGES || !save_in_memory(k->state))
		return err_set(e, EFBIG,
			       "the snapshot has too many pages to set a VM back in place: \"chaos "
			       "create --from\" makes another VM from it");
	rc = vm_check_domain(vm);
	if (rc < 0)
		return err_sys(e, -rc, "set back \"%s\"", vm_name(vm));
	rc = pause_for_rollback(vm, e);
	if (rc == 0)
		rc = put_back(vm, k->state, &spoilt, e);
	if (rc == 0 || spoilt)
		fork_close(vm); /* its children were copied from the state that is lost */
	if (rc == 0)
		rollback_note_snapshot(vm, k->of);
	if (rc < 0 && spoilt)
		return err_wrap(e, rc, "\"%s\" stays paused, partly set back: %s", vm_name(vm),
				vm_cfg(vm)->type == DOM_PV ? "destroy it"
							   : "roll it back again, or destroy it");
	if (runs && life_now(vm) == NOW_PAUSED)
		late_rc = unpause_again(vm, &late);
	else if (rc == 0)
		late_rc = vm_record(vm, &late);
	k->st.stopped_ns = clock_ns() - stop_ns;
	if (rc == 0 && late_rc < 0) {
		*e = late;
		rc = late_rc;
	}
	return rc;
}

static void end(struct rollback *k)
{
	struct engine *en = k->en;

	k->st.total_ns = clock_ns() - k->start_ns;
	snapshot_release(&k->hold);
	k->fn(k->arg, k->rc, &k->st, &k->err);
	if (k->state && save_in_memory(k->state))
		kept_add(en, k->digest, k->state);
	else
		save_close(k->state);
	stream_close(en, &k->file);
	free(k);
	streams_give(en);
}

static void job_done(struct worker_job *job)
{
	struct rollback *k = (struct rollback *)job;
	struct vm *vm = vm_by_uuid(k->en, k->uuid);

	if (k->rc == 0 && !vm)
		k->rc = err_set(&k->err, ESRCH, "the VM ended before it was set back");
	if (k->rc == 0)
		k->rc = check(vm, &k->err);
	if (k->rc == 0)
		k->rc = set_back(k, vm, &k->err);
	end(k);
}

static const struct snapshot *find(struct vm *vm, const char *name, struct err *e)
{
	struct engine *en = vm_engine(vm);
	const struct snapshot *x;

	if (name)
		return snapshots_find(engine_snapshots(en), name, e);
	x = vm_cfg(vm)->snapshot ? snapshots_by_digest(engine_snapshots(en), vm_cfg(vm)->snapshot)
				 : NULL;
	if (!x)
		(void)err_set(e, ENOENT,
			      "\"%s\" has no snapshot: give the name of one, or make one (chaos "
			      "snapshot)",
			      vm_name(vm));
	return x;
}

/* Sets the VM back to a snapshot in memory; false: it is not in memory. */
static bool at_once(struct vm *vm, const struct snapshot *x, vm_rollback_fn *fn, void *arg)
{
	struct rollback k = {.en = vm_engine(vm),
			     .of = x,
			     .state = kept_find(vm_engine(vm), x->digest),
			     .start_ns = clock_ns()};

	if (!k.state)
		return false;
	k.rc = set_back(&k, vm, &k.err);
	k.st.total_ns = clock_ns() - k.start_ns;
	fn(arg, k.rc, &k.st, &k.err);
	return true;
}

int vm_rollback(struct vm *vm, const char *name, uint32_t flags, vm_rollback_fn *fn, void *arg,
		struct err *e)
{
	struct engine *en = vm_engine(vm);
	const struct snapshot *x;
	struct rollback *k;
	stream_id id;
	int fd = -1;
	int rc = needs_new_domain(vm) ? rollback_check_state(vm, e) : check(vm, e);

	if (rc < 0)
		return rc;
	x = find(vm, name, e);
	if (!x)
		return -ENOENT;
	if (needs_new_domain(vm))
		return rollback_anew(vm, x, flags, fn, arg, e);
	if (at_once(vm, x, fn, arg))
		return 0;
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	rc = streams_take(en, &id, e);
	if (rc == 0) {
		rc = snapshots_file(engine_snapshots(en), x, &fd, e);
		if (rc == 0)
			rc = transfer_open(&k->file, fd, false, e);
		if (rc < 0)
			streams_give(en);
	}
	if (rc < 0) {
		free(k);
		return rc;
	}
	k->job = (struct worker_job){.work = job_work, .done = job_done};
	k->en = en;
	memcpy(k->uuid, vm_uuid_bytes(vm), sizeof(k->uuid));
	k->fn = fn;
	k->arg = arg;
	k->start_ns = clock_ns();
	k->of = x;
	(void)snprintf(k->digest, sizeof(k->digest), "%s", x->digest);
	snapshot_hold(x, &k->hold, "a rollback");
	worker_push(engine_worker(en), WORKER_STREAMS, &k->job);
	return 0;
}
