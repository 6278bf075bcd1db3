/* SPDX-License-Identifier: BSD-3-Clause */
/* Wakes VMs that are asleep: a restore for an existing VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

/* A VM that is asleep holds no lock on its disks, but the guest's memory has parts of their
 * contents. */
int wake_check_disks(const struct vm_config *c, uint64_t saved_ns, struct err *e)
{
	for (uint32_t i = 0; i < c->ndevice; i++) {
		const struct vbd_config *file = device_file(&c->device[i]);

		if (file && file->written_ns > saved_ns)
			return vbd_is_newer(&c->device[i], e);
	}
	return 0;
}

/* The thread may use the VM and its configuration, as in a build. */
int wake_check_file(const struct vm_restore *r, struct err *e)
{
	const struct save_info *i = save_info(r->stream);
	const struct vm *vm = r->vm;

	if (i->owner_bytes < 16 || memcmp(i->owner, vm_uuid_bytes(vm), 16) != 0)
		return err_set(e, EPROTO, "the file is of another VM");
	if (!(r->flags & VM_RESTORE_DISKS_KEEP) && wake_check_disks(vm_cfg(vm), i->saved_ns, e) < 0)
		return -ESTALE;
	return restore_check_config(r->stream, vm_cfg(vm), e);
}

static void woken(void *arg, int rc, struct vm *vm, const struct vm_timings *t, const struct err *e)
{
	struct vm_restore *r = arg;
	struct err err = {0};

	if (rc == 0) { /* otherwise a thread may still write the numbers */
		r->stats->pages = r->st.pages;
		r->stats->present = r->st.present;
		r->stats->bytes = r->st.bytes;
	}
	if (rc < 0 && e)
		err = *e;
	if (rc < 0 && rc != -ECANCELED)
		rc = err_wrap(&err, rc, "\"%s\" stays asleep", r->vm ? vm_name(r->vm) : "the VM");
	restore_filled(arg, rc, vm, t, &err);
}

int life_wake(struct vm *vm, const struct life_news *n)
{
	struct life *life = vm_life(vm);
	struct vm_restore *r = n->restore;

	life_set_want(vm, r->flags & VM_CREATE_PAUSED ? WANT_PAUSED : WANT_RUN);
	life_wait_for(vm, WAIT_OTHERS);
	life->restore = r;
	devices_pin(vm_devices(vm)); /* there may be copies of it */
	life->create =
		(struct vm_create){.flags = 0, .fn = woken, .arg = r, .start_ns = r->start_ns};
	vm_place_again(vm);
	return 0;
}

int life_wake_placed(struct vm *vm, const struct life_news *n)
{
	if (!vm_life(vm)->restore) /* no wake is under way */
		return 0;
	life_go(vm, NOW_WAKING);
	restore_build(vm, n->rc, n->e);
	return 0;
}

static int begin(struct vm *vm, struct vm_restore *r, struct err *e)
{
	struct engine *en = vm_engine(vm);
	int fd = sleeper_open(vm, e);
	int rc = fd < 0 ? fd : transfer_open(&r->file, fd, false, e);

	if (rc < 0)
		return rc;
	rc = streams_take(en, &r->id, e);
	if (rc < 0)
		stream_close(en, &r->file);
	return rc;
}

int vm_wake(struct vm *vm, const char *why, uint32_t flags, vm_create_fn *fn, void *arg,
	    struct stream_stats *s, struct err *e)
{
	struct vm_restore *r;
	int rc;

	if (vm_state(vm) == VM_ASLEEP && vm_life(vm)->restore)
		return err_set(e, EBUSY, "\"%s\" is being woken: try again when that has ended",
			       vm_name(vm));
	if (life_now(vm) != NOW_ASLEEP)
		return err_set(e, EBUSY, "\"%s\" is not asleep: it is %s", vm_name(vm),
			       vm_state_name(vm_state(vm)));
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	*r = (struct vm_restore){
		.en = vm_engine(vm),
		.wakes = true,
		.known = true,
		.flags = flags & (VM_CREATE_PAUSED | VM_RESTORE_DISKS_KEEP | VM_WAKE_SET_BACK),
		.fn = fn,
		.arg = arg,
		.stats = s,
		.start_ns = clock_ns()};
	/* a build does not report this: the guest would run, and its devices would never connect */
	rc = devices_possible(r->en, vm_cfg(vm), e);
	if (rc == 0)
		rc = begin(vm, r, e);
	if (rc < 0) {
		free(r);
		return err_wrap(e, rc, "\"%s\" stays asleep", vm_name(vm));
	}
	*s = (struct stream_stats){0};
	restore_jobs(r);
	DL_APPEND(engine_streams(vm_engine(vm))->restores, r);
	log_line(LOG_INFO, "op=wake name=%s why=%s", vm_name(vm), why);
	return life_event(vm, LIFE_WAKE, &(struct life_news){.e = e, .restore = r});
}
