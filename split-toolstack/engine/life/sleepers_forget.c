/* SPDX-License-Identifier: BSD-3-Clause */
/* Deletes files of VMs that do not sleep, any more or yet: by a thread, or before the VM runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers-t.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- deleting --- */

struct deleting {
	struct worker_job job;
	int dir;
	char name[SLEEPER_NAME];
};

/* Deleting a large file takes long, and so may the disk. */
static void delete_work(struct worker_job *job, struct xen *x)
{
	struct deleting *d = (struct deleting *)job;

	(void)x;
	(void)unlinkat(d->dir, d->name, 0);
	(void)fsync(d->dir);
}

static void delete_done(struct worker_job *job)
{
	struct deleting *d = (struct deleting *)job;

	(void)close(d->dir);
	free(d);
}

/* Takes dir. The file keeps its name until then; a start deletes what was not finished. */
static bool delete_later(struct engine *en, int dir, const char *name)
{
	const struct sleepers *s = engine_sleepers(en);
	struct deleting *d = s->stopped || !engine_worker(en) ? NULL : calloc(1, sizeof(*d));

	if (!d)
		return false;
	*d = (struct deleting){.job = {.work = delete_work, .done = delete_done}, .dir = dir};
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	worker_push(engine_worker(en), WORKER_FILES, &d->job);
	return true;
}

void sleeper_end(struct sleeper_file *f, bool keep)
{
	struct engine *en = f->en;

	if (en)
		DL_DELETE(engine_sleepers(en)->files, f);
	if (f->fd >= 0)
		(void)close(f->fd);
	if (!keep && en && f->dir >= 0 && delete_later(en, f->dir, f->part))
		f->dir = -1;
	if (!keep && f->dir >= 0)
		(void)unlinkat(f->dir, f->part, 0);
	if (f->dir >= 0)
		(void)close(f->dir);
	f->en = NULL;
	f->fd = -1;
	f->dir = -1;
}

void sleepers_forget_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct sleepers *s = engine_sleepers(en);
	char name[SLEEPER_NAME];
	struct deleting *d;

	if (!s)
		return;
	sleeper_name(uuid, 0, "save", name);
	d = s->stopped || !engine_worker(en) ? NULL : calloc(1, sizeof(*d));
	if (d) {
		sleeper_name(uuid, ++s->last, "gone", d->name);
		d->dir = fcntl(s->dir, F_DUPFD_CLOEXEC, 0);
	}
	if (d && d->dir >= 0 && renameat(s->dir, name, s->dir, d->name) == 0) {
		d->job = (struct worker_job){.work = delete_work, .done = delete_done};
		worker_push(engine_worker(en), WORKER_FILES, &d->job);
		return;
	}
	if (d && d->dir >= 0)
		(void)close(d->dir);
	free(d);
	if (unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		log_line(LOG_ERROR, "%s/%s: %s", engine_settings(en)->sleep_dir, name,
			 strerror(errno));
}

/* --- before a VM runs --- */

struct syncing {
	struct worker_job job;
	struct engine *en;
	uint8_t uuid[16];
	struct deleting *rest;
	int rc;
};

static void sync_work(struct worker_job *job, struct xen *x)
{
	struct syncing *k = (struct syncing *)job;

	(void)x;
	k->rc = fsync(k->rest->dir) < 0 ? -errno : 0;
}

static void sync_done(struct worker_job *job)
{
	struct syncing *k = (struct syncing *)job;
	struct vm *vm = vm_by_uuid(k->en, k->uuid);

	if (k->rc < 0)
		log_line(LOG_ERROR, "%s: flush: %s", engine_settings(k->en)->sleep_dir,
			 strerror(-k->rc));
	worker_push(engine_worker(k->en), WORKER_FILES, &k->rest->job);
	if (vm) {
		vm_life(vm)->syncing = false;
		(void)life_event(vm, LIFE_CONNECTED, &(struct life_news){0});
	}
	free(k);
}

bool sleepers_forget_first(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	struct sleepers *s = engine_sleepers(en);
	char name[SLEEPER_NAME];
	struct deleting *d;
	struct syncing *k;

	if (!s || s->stopped || !engine_worker(en))
		return false;
	k = calloc(1, sizeof(*k));
	d = calloc(1, sizeof(*d));
	if (d)
		d->dir = k ? fcntl(s->dir, F_DUPFD_CLOEXEC, 0) : -1;
	if (!k || !d || d->dir < 0) {
		free(k);
		free(d);
		return false;
	}
	sleeper_name(vm_uuid_bytes(vm), 0, "save", name);
	sleeper_name(vm_uuid_bytes(vm), ++s->last, "gone", d->name);
	d->job = (struct worker_job){.work = delete_work, .done = delete_done};
	/* the last daemon may have renamed it already */
	(void)renameat(s->dir, name, s->dir, d->name);
	*k = (struct syncing){.job = {.work = sync_work, .done = sync_done}, .en = en, .rest = d};
	memcpy(k->uuid, vm_uuid_bytes(vm), sizeof(k->uuid));
	life->has_file = false;
	life->syncing = true;
	worker_push(engine_worker(en), WORKER_FILES, &k->job);
	return true;
}

void sleepers_forget(struct vm *vm)
{
	vm_life(vm)->has_file = false;
	sleepers_forget_uuid(vm_engine(vm), vm_uuid_bytes(vm));
}
