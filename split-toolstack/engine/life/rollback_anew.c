/* SPDX-License-Identifier: BSD-3-Clause */
/* Rollback of VMs with devices, and of guests with a store: in a new domain. */
#include "split-toolstack/engine/life/rollback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libdom/save.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

/* The rings of devices and of a store cannot be set back, because their backends have the state of
 * now. So the VM gets new ones, in a new domain, as after a sleep: a thread checks the snapshot and
 * writes it into the file of a sleeper, while the VM runs. Then the record says that the VM is
 * asleep, its domain is destroyed, and it is woken. Until that record nothing has changed;
 * afterwards the file is the VM, also for the next daemon and after a failed wake. */

struct anew {
	struct worker_job job;
	struct stream_wait wait; /* the wake waits for its turn */
	struct snapshot_hold hold;
	struct engine *en;
	uint8_t uuid[16];
	struct vm_config cfg; /* a copy, for the thread */
	bool noxs;
	uint32_t flags;
	struct transfer from, to;
	struct sleeper_file file;
	uint8_t *owner;
	uint32_t owner_bytes;
	vm_rollback_fn *fn;
	void *arg;
	uint64_t start_ns, stop_ns;
	struct stream_stats st, woken;
	int rc;
	struct err err;
};

/* --- on a thread --- */

static int check_stream(const struct anew *k, struct save_stream *s, struct err *e)
{
	struct err other = {0};

	if (save_info(s)->linux_guest == k->noxs || restore_check_config(s, &k->cfg, &other) < 0)
		return err_set(e, EINVAL,
			       "the snapshot is of a VM with another type, memory, number of vCPUs "
			       "or devices");
	if (!(k->flags & VM_RESTORE_DISKS_KEEP) &&
	    wake_check_disks(&k->cfg, save_info(s)->saved_ns, e) < 0)
		return -ESTALE;
	return 0;
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct anew *k = (struct anew *)job;
	struct save_stream *s = NULL;

	k->rc = x ? save_open(x, &k->from, &s, &k->err) : streams_no_handle(&k->err);
	if (k->rc == 0)
		k->rc = check_stream(k, s, &k->err);
	if (k->rc == 0)
		k->rc = save_verify(s, &k->err);
	if (k->rc == 0)
		k->rc = save_write_for(s, k->owner, k->owner_bytes, &k->to, &k->err);
	if (k->rc == 0)
		k->rc = sleeper_keep(&k->file, &k->err);
	save_close(s);
}

/* --- on the loop --- */

static void free_anew(struct anew *k)
{
	snapshot_release(&k->hold);
	if (k->from.fd >= 0)
		stream_close(k->en, &k->from);
	if (k->to.fd >= 0)
		stream_close(k->en, &k->to);
	vm_config_clear(&k->cfg);
	free(k->owner);
	free(k);
}

static void end(struct anew *k, int rc, const struct err *e)
{
	uint64_t now = clock_ns();

	k->st.pages = k->woken.pages;
	k->st.present = k->woken.present;
	k->st.stopped_ns = k->stop_ns ? now - k->stop_ns : 0;
	k->st.total_ns = now - k->start_ns;
	k->fn(k->arg, rc, &k->st, e);
	free_anew(k);
}

static void woken(void *arg, int rc, struct vm *vm, const struct vm_timings *t, const struct err *e)
{
	struct anew *k = arg;
	struct err err = {0};

	(void)vm;
	(void)t;
	if (rc < 0 && e)
		err = *e;
	if (rc < 0)
		rc = err_wrap(&err, rc,
			      "it is set back, but does not run: \"chaos wake\" tries again");
	end(k, rc, &err);
}

/* The VM continues as before. */
static void not_asleep(struct vm *vm, bool runs)
{
	vm_life(vm)->has_file = false;
	life_go(vm, runs ? NOW_RUNNING : NOW_PAUSED);
	if (runs && xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm)) < 0)
		life_go_as(vm, NOW_PAUSED, WANT_PAUSED);
	(void)vm_record(vm, NULL);
}

static int replace_state(struct anew *k, struct vm *vm, struct err *e)
{
	bool runs = life_now(vm) == NOW_RUNNING;
	int rc = vm_check_domain(vm);

	k->stop_ns = clock_ns();
	if (rc == 0 && runs)
		rc = xen_domain_pause(engine_xen(k->en), vm_domid(vm));
	if (rc < 0)
		return err_sys(e, -rc, "pause \"%s\"", vm_name(vm));
	vm_look(vm); /* reads its console up to now */
	life_go(vm, NOW_ASLEEP);
	vm_life(vm)->has_file = true;
	rc = vm_record(vm, e);
	if (rc < 0) {
		not_asleep(vm, runs);
		return rc;
	}
	rollback_note_snapshot(vm, k->hold.of);
	vm_falls_asleep(vm);
	k->flags = VM_WAKE_SET_BACK | VM_RESTORE_DISKS_KEEP | (runs ? 0 : VM_CREATE_PAUSED);
	return 0;
}

/* It would stay asleep. */
static int check_possible(const struct vm *vm, struct err *e)
{
	int rc = devices_possible(vm_engine(vm), vm_cfg(vm), e);

	return rc < 0 ? err_wrap(e, rc, "\"%s\" cannot be set back", vm_name(vm)) : 0;
}

static void set_back(struct anew *k)
{
	struct vm *vm = vm_by_uuid(k->en, k->uuid);
	struct err e = {0};
	int rc;

	if (!vm)
		rc = err_set(&e, ESRCH, "the VM ended before it was set back");
	else
		rc = rollback_check_state(vm, &e);
	if (rc == 0) /* xenstored may have ended meanwhile */
		rc = check_possible(vm, &e);
	if (rc == 0)
		rc = replace_state(k, vm, &e);
	sleeper_end(&k->file, true);
	if (rc < 0) {
		sleepers_forget_uuid(k->en, k->uuid);
		end(k, rc, &e);
		return;
	}
	rc = vm_wake(vm, "rollback", k->flags, woken, k, &k->woken, &e);
	if (rc < 0)
		woken(k, rc, vm, NULL, &e);
}

static void set_back_in_turn(struct stream_wait *w, bool closing)
{
	struct anew *k = (struct anew *)(void *)((char *)w - offsetof(struct anew, wait));
	struct err e = {0};

	if (!closing) {
		set_back(k);
		return;
	}
	sleeper_end(&k->file, true); /* the next daemon removes it */
	end(k, err_set(&e, ECANCELED, "chaosd is ending"), &e);
}

static void job_done(struct worker_job *job)
{
	struct anew *k = (struct anew *)job;

	if (k->rc < 0) {
		sleeper_end(&k->file, false);
		end(k, k->rc, &k->err);
		return;
	}
	k->wait.fn = set_back_in_turn;
	if (engine_streams(k->en)->closing)
		set_back_in_turn(&k->wait, true);
	else if (!streams_wait(k->en, &k->wait))
		set_back(k);
}

/* --- requests --- */

static int check_disks(const struct vm *vm, uint32_t flags, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	char name[16];
	int rc = save_check_paths(vm, e);

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++) {
		const struct vbd_config *file = device_file(&c->device[i]);

		if (!file || file->readonly || flags & VM_RESTORE_DISKS_KEEP)
			continue;
		vdev_name(c->device[i].devid, name);
		rc = err_set(
			e, EBUSY,
			"\"%s\" cannot be set back: it writes disk %s: %s, which is not set back "
			"with it; --disk keep uses the disk as it is",
			vm_name(vm), name, file->path);
	}
	return rc;
}

/* As it will be: with its new snapshot. */
static int describe(struct vm *vm, const struct snapshot *x, struct anew *k, struct err *e)
{
	struct vm_config *c = vm_change_cfg(vm);
	char digest[sizeof(x->digest)];
	char *was = c->snapshot;
	int rc;

	memcpy(digest, x->digest, sizeof(digest));
	c->snapshot = digest;
	rc = vm_describe(vm, &k->owner, &k->owner_bytes, e);
	c->snapshot = was;
	return rc;
}

static int open_files(struct vm *vm, const struct snapshot *x, struct anew *k, struct err *e)
{
	int fd;
	int rc = snapshots_file(engine_snapshots(k->en), x, &fd, e);

	if (rc == 0)
		rc = transfer_open(&k->from, fd, false, e);
	if (rc < 0)
		return rc;
	rc = sleeper_begin(vm, &k->file, e);
	if (rc < 0)
		return rc;
	fd = fcntl(k->file.fd, F_DUPFD_CLOEXEC, 0);
	rc = fd < 0 ? err_sys(e, errno, "write %s", k->file.part)
		    : transfer_open(&k->to, fd, true, e);
	return rc;
}

int rollback_anew(struct vm *vm, const struct snapshot *x, uint32_t flags, vm_rollback_fn *fn,
		  void *arg, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct anew *k;
	int rc = check_possible(vm, e);

	if (rc == 0)
		rc = check_disks(vm, flags, e);
	if (rc < 0)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct anew){.job = {.work = job_work, .done = job_done},
			   .en = en,
			   .noxs = vm_has_noxs(vm),
			   .flags = flags & VM_RESTORE_DISKS_KEEP,
			   .from = {.fd = -1, .cancel = -1},
			   .to = {.fd = -1, .cancel = -1},
			   .file = {.fd = -1, .dir = -1},
			   .fn = fn,
			   .arg = arg,
			   .start_ns = clock_ns()};
	memcpy(k->uuid, vm_uuid_bytes(vm), sizeof(k->uuid));
	rc = vm_config_copy(&k->cfg, vm_cfg(vm));
	if (rc < 0)
		(void)err_set(e, ENOMEM, "out of memory");
	if (rc == 0)
		rc = describe(vm, x, k, e);
	if (rc == 0)
		rc = open_files(vm, x, k, e);
	if (rc < 0) {
		sleeper_end(&k->file, false);
		free_anew(k);
		return rc;
	}
	snapshot_hold(x, &k->hold, "a rollback");
	worker_push(engine_worker(en), WORKER_STREAMS, &k->job);
	return 0;
}
