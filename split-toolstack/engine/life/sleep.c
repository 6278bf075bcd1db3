/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts VMs to sleep. */
#include "split-toolstack/engine/life/sleep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* A sleep, from the request until the file is valid. The VM is being saved meanwhile. */
struct sleeping {
	struct worker_job job;
	struct engine *en;
	stream_id id;
	uint8_t uuid[16];
	struct sleeper_file file;
	vm_sleep_fn *fn;
	void *arg;
	struct stream_stats st;
	int rc;
	struct err err;
};

static void end(struct sleeping *k, int rc, const struct err *e)
{
	sleeper_end(&k->file, rc == 0);
	k->fn(k->arg, rc, &k->st, e);
	free(k);
}

/* On a thread, after the file was written by another one. */
static void sync_work(struct worker_job *job, struct xen *x)
{
	struct sleeping *k = (struct sleeping *)job;

	(void)x;
	k->rc = sleeper_keep(&k->file, &k->err);
}

void vm_falls_asleep(struct vm *vm)
{
	life_timer_stop(vm);
	drop_note(vm_engine(vm), vm_domid(vm),
		  vm_uuid_bytes(vm)); /* after the record, which also has the domain's id */
	vm_set_ready(vm, false);
	life_set_want(vm, WANT_RUN);
	vm_unbuild(vm);
	console_log_close(vm);
	vm_announce(vm, VM_EV_ASLEEP);
	/* answers a create that still waits for the guest to be ready */
	vm_create_done(vm, 0, NULL);
}

static void sync_done(struct worker_job *job)
{
	struct sleeping *k = (struct sleeping *)job;
	bool kept = k->rc == 0;
	struct vm *vm;

	if (kept)
		k->rc = vm_save_end(k->en, k->id, true, &k->err);
	else
		(void)vm_save_end(k->en, k->id, false, NULL);
	vm = kept && k->rc == 0 ? vm_by_uuid(k->en, k->uuid) : NULL;
	if (vm)
		vm_falls_asleep(vm);
	if (kept && k->rc < 0) /* the VM was destroyed or unpaused meanwhile */
		sleepers_forget_uuid(k->en, k->uuid);
	end(k, k->rc, &k->err);
}

static void written(void *arg, int rc, const struct stream_stats *s, const struct err *e)
{
	struct sleeping *k = arg;

	k->st = *s;
	if (rc < 0) {
		end(k, rc, e);
		return;
	}
	k->job = (struct worker_job){.work = sync_work, .done = sync_done};
	worker_push(engine_worker(k->en), WORKER_FILES, &k->job);
}

int vm_sleep(struct vm *vm, vm_sleep_fn *fn, void *arg, struct err *e)
{
	struct sleeping *k;
	int fd;
	int rc;

	if (vm_state(vm) == VM_ASLEEP)
		return life_refuse_asleep(vm, &(struct life_news){.e = e});
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	k->en = vm_engine(vm);
	k->fn = fn;
	k->arg = arg;
	vm_uuid(vm, k->uuid);
	rc = sleeper_begin(vm, &k->file, e);
	if (rc == 0) {
		fd = fcntl(k->file.fd, F_DUPFD_CLOEXEC, 0);
		rc = fd < 0 ? err_sys(e, errno, "write %s", k->file.part)
			    : vm_save(vm, fd, VM_SAVE_SLEEP, written, k, &k->id, e);
	}
	if (rc < 0) {
		sleeper_end(&k->file, false);
		free(k);
	}
	return rc;
}
