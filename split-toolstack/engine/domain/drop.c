/* SPDX-License-Identifier: BSD-3-Clause */
/* Destroys domains on the worker, and records them in a file until Xen has nothing of them. */
#include "split-toolstack/engine/domain/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* A VM's record can be deleted or used again while its last domain still waits for the worker,
 * and a domain stays in Xen as long as a backend has a page of it. So domains that are to be
 * destroyed are recorded by domain id in a separate file, with the uuid that identifies them.
 * This record is written before the VM's record says that the VM has ended: if the daemon dies
 * in between, there is a record of a running VM, which takes precedence. */

#define MAGIC 0x706f7264u /* "drop" */
#define IDS   0x8000u
/* Domains that could not be destroyed, or still exist although nothing of ours holds them, are
 * tried again after this time. */
#define AGAIN_S 1.0

/* One entry of the file for each domain id; the entry of dom0 is the header. */
struct note {
	uint32_t magic; /* 0: empty */
	uint32_t zero;
	uint8_t uuid[16];
};

struct drop {
	struct worker_job job;
	UT_hash_handle hh;
	struct engine *en;
	uint32_t domid;
	uint8_t uuid[16];
	uint64_t pages; /* pages that the worker will free */
	struct slot slot;
	uint8_t *map;	     /* its two pages, as long as they are mapped */
	bool recorded;	     /* the registry has a record of its own for it */
	bool adopted;	     /* recorded by the last daemon */
	bool leaving;	     /* drop_devices_gone() will be called */
	bool first, working; /* not tried yet; the worker has it */
	bool destroyed, gone,
		other; /* Xen is freeing it; has freed it; has another domain with this id */
	int rc;
	struct err err;
};

struct drops {
	const struct drop_ops *ops;
	int fd;
	uint8_t noted[IDS / 8];
	struct drop *all; /* uthash head */
	ev_timer again;
	bool failed; /* a write has failed; logged once */
};

/* --- notes --- */

static bool is_noted(const struct drops *ds, uint32_t domid)
{
	return domid < IDS && ds->noted[domid / 8] & 1u << domid % 8;
}

static void write_note(struct engine *en, uint32_t domid, const struct note *n)
{
	struct drops *ds = engine_drops(en);

	if (pwrite(ds->fd, n, sizeof(*n), (off_t)(domid * sizeof(*n))) == (ssize_t)sizeof(*n) ||
	    ds->failed)
		return;
	ds->failed = true;
	log_line(LOG_ERROR,
		 "registry: domains that are being destroyed cannot be recorded: %s; free space in "
		 "%s",
		 strerror(errno), engine_settings(en)->run_dir);
}

void drop_note(struct engine *en, uint32_t domid, const uint8_t uuid[16])
{
	struct note n = {.magic = MAGIC};

	if (domid == 0 || domid >= IDS || is_noted(engine_drops(en), domid))
		return;
	memcpy(n.uuid, uuid, sizeof(n.uuid));
	engine_drops(en)->noted[domid / 8] |= (uint8_t)(1u << domid % 8);
	write_note(en, domid, &n);
}

static void erase_note(struct engine *en, uint32_t domid)
{
	struct note n = {0};

	engine_drops(en)->noted[domid / 8] &= (uint8_t) ~(1u << domid % 8);
	write_note(en, domid, &n);
}

bool domain_is_dropped(const struct engine *en, uint32_t domid)
{
	return is_noted(engine_drops(en), domid);
}

/* --- on the worker --- */

/* Whether Xen has nothing of it any more. */
static void see_whether_gone(struct drop *d, struct xen *x)
{
	struct xen_domain_info i;
	int rc = xen_domain_info(x, d->domid, &i);

	d->other = rc == 0 && memcmp(i.uuid, d->uuid, sizeof(i.uuid)) != 0;
	d->gone = rc == -ESRCH || d->other;
}

static void destroy_work(struct worker_job *job, struct xen *x)
{
	struct drop *d = (struct drop *)job;
	int rc;

	if (d->map) /* otherwise these mappings would keep the domain */
		xen_unmap(x, d->map, 2);
	d->map = NULL;
	rc = xen_domain_destroy(x, d->domid, d->uuid);
	d->rc = rc == -ESRCH ? 0 : rc;
	if (d->rc == 0)
		see_whether_gone(d, x);
	else
		(void)err_sys(&d->err, -rc, "destroy domain %u", d->domid);
}

/* --- on the loop --- */

/* Not if the uuid belongs to a VM by now, which has its own record. */
static void delete_record(struct engine *en, const uint8_t uuid[16])
{
	if (!engine_find_uuid(en, uuid))
		registry_delete(engine_registry(en), uuid);
}

static void finish(struct drop *d)
{
	struct engine *en = d->en;

	if (d->adopted && !d->other) {
		d->adopted = false;
		d->leaving = engine_drops(en)->ops->forget_devices(en, d->domid);
		if (d->leaving) /* the record stays until that is done */
			return;
	}
	if (d->recorded)
		delete_record(en, d->uuid);
	if (d->other)
		slot_put_last(engine_slots(en), &d->slot);
	else
		slot_put(engine_slots(en), &d->slot);
	erase_note(en, d->domid);
	HASH_DELETE(hh, engine_drops(en)->all, d);
	free(d);
}

static void again_later(struct engine *en)
{
	struct drops *ds = engine_drops(en);

	if (ev_is_active(&ds->again))
		return;
	ev_timer_set(&ds->again, AGAIN_S, 0.);
	ev_timer_start(engine_loop(en), &ds->again);
}

static void finish_if_gone(struct drop *d)
{
	struct xen_domain_info i;

	if (d->working || d->leaving || !d->destroyed ||
	    engine_drops(d->en)->ops->has_devices(d->en, d->domid))
		return;
	if (!d->gone) {
		int rc = xen_domain_info(engine_xen(d->en), d->domid, &i);

		d->gone = rc == -ESRCH || (rc == 0 && memcmp(i.uuid, d->uuid, sizeof(i.uuid)) != 0);
	}
	if (d->gone)
		finish(d);
	else
		again_later(d->en);
}

/* Also after a failure: a build that waits for this memory must not wait for a later try. */
static void memory_is_back(struct drop *d)
{
	d->first = false;
	memory_came(d->en, d->pages);
}

static void destroy_done(struct worker_job *job)
{
	struct drop *d = (struct drop *)job;

	d->working = false;
	if (d->first)
		memory_is_back(d);
	if (d->rc < 0) {
		log_line(LOG_ERROR, "op=destroy dom=%u: %s; it is tried again", d->domid,
			 err_msg(&d->err));
		again_later(d->en);
		return;
	}
	d->destroyed = true;
	finish_if_gone(d);
}

static void destroy(struct drop *d)
{
	d->working = true;
	worker_push(engine_worker(d->en), WORKER_DESTROYS, &d->job);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct drop *d = NULL;
	struct drop *tmp;

	(void)revents;
	ev_timer_stop(loop, t);
	HASH_ITER(hh, engine_drops(en)->all, d, tmp)
	{
		if (!d->working && !d->destroyed)
			destroy(d);
		else
			finish_if_gone(d);
	}
}

static struct drop *add(struct engine *en, uint32_t domid, const uint8_t uuid[16])
{
	struct drop *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->job.work = destroy_work;
	d->job.done = destroy_done;
	d->en = en;
	d->domid = domid;
	memcpy(d->uuid, uuid, sizeof(d->uuid));
	d->first = true;
	HASH_ADD(hh, engine_drops(en)->all, domid, sizeof(d->domid), d);
	memory_begins(en);
	return d;
}

void domain_drop(struct engine *en, uint32_t domid, const uint8_t uuid[16], uint64_t pages,
		 struct slot *slot, uint8_t *map, bool recorded)
{
	struct drop *d;

	drop_note(en, domid, uuid);
	d = add(en, domid, uuid);
	if (!d) { /* slower, but it is destroyed */
		int rc;

		if (map)
			xen_unmap(engine_xen(en), map, 2);
		rc = xen_domain_destroy(engine_xen(en), domid, uuid);
		slot_put_last(engine_slots(en), slot);
		if (recorded)
			delete_record(en, uuid);
		if ((rc == 0 || rc == -ESRCH) && !engine_drops(en)->ops->has_devices(en, domid))
			erase_note(en, domid); /* else the next daemon looks */
		return;
	}
	d->slot = *slot;
	*slot = (struct slot){0};
	d->map = map;
	d->recorded = recorded;
	d->pages = pages;
	memory_promise(en, pages);
	destroy(d);
}

void drop_devices_gone(struct engine *en, uint32_t domid)
{
	struct drop *d = NULL;

	HASH_FIND(hh, engine_drops(en)->all, &domid, sizeof(domid), d);
	if (!d)
		return;
	d->leaving = false;
	finish_if_gone(d);
}

/* --- after a restart --- */

static void adopt(struct engine *en, uint32_t domid, const struct note *n)
{
	struct drop *d = NULL;
	struct vm *vm = NULL;

	HASH_FIND(hh, engine_drops(en)->all, &domid, sizeof(domid), d);
	if (d) /* was half made */
		return;
	vm = vm_by_domid(en, domid);
	if (vm && vm_state(vm) == VM_UNKNOWN &&
	    memcmp(vm_uuid_bytes(vm), n->uuid, sizeof(n->uuid)) != 0)
		vm = NULL;
	if (vm) { /* it was to be destroyed, but not so far that anything else shows it; or it
		     belongs to a later domain with this id */
		erase_note(en, domid);
		return;
	}
	d = add(en, domid, n->uuid);
	if (!d) /* the next daemon */
		return;
	log_line(LOG_INFO, "op=clean dom=%u: it was being destroyed", domid);
	d->adopted = true;
	slot_adopt(engine_slots(en), domid, &d->slot);
	slots_hold(engine_slots(en), domid);
	destroy(d);
}

void drops_adopt(struct engine *en)
{
	struct drops *ds = engine_drops(en);

	for (uint32_t id = 1; id < IDS; id++) {
		struct note n;

		if (is_noted(ds, id) &&
		    pread(ds->fd, &n, sizeof(n), (off_t)(id * sizeof(n))) == (ssize_t)sizeof(n))
			adopt(en, id, &n);
	}
}

/* --- open and close --- */

static void read_notes(struct drops *ds)
{
	struct note n[128];
	ssize_t got;

	for (uint32_t first = 0; first < IDS; first += 128) {
		got = pread(ds->fd, n, sizeof(n), (off_t)(first * sizeof(*n)));
		if (got <= 0)
			return;
		for (uint32_t i = first == 0; i < (size_t)got / sizeof(*n); i++)
			if (n[i].magic == MAGIC)
				ds->noted[(first + i) / 8] |= (uint8_t)(1u << (first + i) % 8);
	}
}

int drops_open(struct engine *en, const struct drop_ops *ops, struct err *e)
{
	struct drops *ds = calloc(1, sizeof(*ds));
	char path[512];
	int rc = 0;

	if (!ds)
		return err_set(e, ENOMEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%s/registry/drops", engine_settings(en)->run_dir);
	ds->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ds->fd < 0) {
		rc = err_sys(e, errno, "registry: open %s", path);
		free(ds);
		return rc;
	}
	ds->ops = ops;
	ev_init(&ds->again, on_again);
	ds->again.data = en;
	read_notes(ds);
	engine_set_drops(en, ds);
	return 0;
}

void drops_close(struct engine *en)
{
	struct drops *ds = engine_drops(en);
	struct drop *d = NULL;
	struct drop *tmp;

	if (!ds)
		return;
	ev_timer_stop(engine_loop(en), &ds->again);
	HASH_ITER(hh, ds->all, d, tmp)
	{
		HASH_DELETE(hh, ds->all, d); /* NOLINT(clang-analyzer-unix.Malloc) */
		free(d);
	}
	(void)close(ds->fd);
	free(ds);
	engine_set_drops(en, NULL);
}
