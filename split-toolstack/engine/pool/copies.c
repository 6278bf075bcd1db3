/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a snapshot, made ahead: domains filled from its file, which go on when they are taken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/transfer.h"
#include "libdom/save.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/record.h"

/* The snapshot cannot be removed while a flavor is made of it. What a thread still makes of its
 * open file then goes. */
struct copies {
	struct engine *en;
	struct snapshot_hold hold;
	char name[IMAGE_NAME_MAX + 1];
	uint32_t refs;	      /* of the loop: a thread's is kept by its job */
	struct vm_config cfg; /* of the VM that it is of */
	struct dom_spec spec; /* of a copy; its CPUs are those in cfg */
	bool boots;	      /* copies_boot() */
};

/* What its file says is read by a thread. */
struct reading {
	struct worker_job job;
	struct copies *c;
	struct transfer file;
	copies_fn *fn;
	void *arg;
	int rc;
	struct err err;
};

struct copies *copies_ref(struct copies *c)
{
	c->refs++;
	return c;
}

void copies_put(struct copies *c)
{
	if (!c || --c->refs)
		return;
	snapshot_release(&c->hold);
	vm_config_clear(&c->cfg);
	free(c);
}

void copies_end(struct copies *c)
{
	if (c)
		snapshot_release(&c->hold);
	copies_put(c);
}

const struct vm_config *copies_config(const struct copies *c)
{
	return &c->cfg;
}

void copies_describe(const struct copies *c, struct pool_flavor *f)
{
	f->type = c->spec.type;
	f->vcpus = c->spec.vcpus;
	f->mem_kib = c->spec.mem_kib;
}

int copies_open(struct copies *c, struct transfer *file, struct err *e)
{
	int fd;
	int rc = snapshots_file(c->en->snapshots, c->hold.of, &fd, e);

	return rc < 0 ? rc : transfer_open(file, fd, false, e);
}

bool copies_boot(const struct copies *c)
{
	return c->boots;
}

static int refuse_disk(const struct copies *c, const struct device_config *d,
		       const struct pool_flavor *f, struct err *e)
{
	char name[16];

	vdev_name(d->devid, name);
	if (c->hold.of->foreign)
		return err_set(e, EPERM,
			       "pool: from=%s: disk %s: %s: the snapshot came from elsewhere: its "
			       "disks are not used: give disk=none",
			       c->name, name, d->u.vbd.path);
	if (f->disks == POOL_DISKS_SAME && !d->u.vbd.readonly)
		return err_set(e, EBUSY,
			       "pool: from=%s: disk %s: %s: is written by its VM, and all copies "
			       "would write it, too: give disk=readonly or disk=none",
			       c->name, name, d->u.vbd.path);
	return 0;
}

int copies_suit(const struct copies *c, const struct pool_flavor *f, struct err *e)
{
	uint32_t vifs = 0;
	int rc = 0;

	for (uint32_t i = 0; i < c->cfg.ndevice && rc == 0; i++) {
		const struct device_config *d = &c->cfg.device[i];

		vifs += d->kind == DEVICE_VIF;
		if (d->kind == DEVICE_VBD && f->disks != POOL_DISKS_NONE)
			rc = refuse_disk(c, d, f, e);
	}
	if (rc < 0)
		return rc;
	if (!c->boots && (*f->ready_when || *f->macs || *f->ips || f->disks))
		return err_set(
			e, EINVAL,
			"pool: from=%s: ready, mac, ip and disk are for guests without a noxs "
			"entry: its copies run when they are taken",
			c->name);
	if (!vifs && (*f->macs || *f->ips))
		return err_set(e, EINVAL, "pool: from=%s: its VM has no vif: leave mac and ip out",
			       c->name);
	return 0;
}

/* --- its description --- */

static int check_shape(const struct save_info *i, const struct vm_config *c, struct err *e)
{
	if (i->type == c->type && i->vcpus == vm_config_vcpus(c) &&
	    i->pages == (c->mem_kib + 3) / 4 && i->ring_pages == 0 &&
	    (i->linux_guest || c->ndevice == 0))
		return 0;
	return err_set(e, EOPNOTSUPP, "a VM with devices cannot be copied ahead");
}

/* What a VM that is made of it has as its snapshot. */
static int name_snapshot(struct copies *c, struct err *e)
{
	free(c->cfg.snapshot);
	c->cfg.snapshot = strdup(c->hold.of->digest);
	return c->cfg.snapshot ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* Thread-safe. */
static int read_description(struct copies *c, struct xen *x, struct transfer *file, struct err *e)
{
	struct save_stream *s;
	const struct save_info *i;
	int rc = save_open(x, file, &s, e);

	if (rc == 0)
		rc = save_verify(s, e);
	if (rc == 0) {
		i = save_info(s);
		rc = vm_undescribe(i->owner, i->owner_bytes, &c->cfg, e);
		if (rc == 0)
			rc = check_shape(i, &c->cfg, e);
		if (rc == 0)
			rc = name_snapshot(c, e);
		c->boots = i->linux_guest;
		save_spec(s, &c->spec);
		c->spec.weight = c->cfg.weight;
		c->spec.cap = c->cfg.cap;
		c->spec.cpus = c->cfg.cpus;
	}
	save_close(s);
	return rc < 0 ? err_wrap(e, rc, "snapshot \"%s\"", c->name) : 0;
}

static int new_copies(struct engine *en, const char *name, struct transfer *file,
		      struct copies **out, struct err *e)
{
	const struct snapshot *x = snapshots_find(en->snapshots, name, e);
	struct copies *c = x ? calloc(1, sizeof(*c)) : NULL;
	int rc;

	if (!x)
		return err_wrap(e, -ENOENT, "pool: from=%s", name);
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->en = en;
	c->refs = 1;
	vm_config_init(&c->cfg);
	(void)snprintf(c->name, sizeof(c->name), "%s", x->name);
	snapshot_hold(x, &c->hold, "the pool, for copies of it");
	rc = copies_open(c, file, e);
	if (rc < 0) {
		copies_put(c);
		return rc;
	}
	*out = c;
	return 0;
}

int copies_read_now(struct engine *en, const char *name, struct copies **out, struct err *e)
{
	struct transfer file;
	int rc = new_copies(en, name, &file, out, e);

	if (rc < 0)
		return rc;
	rc = read_description(*out, en->x, &file, e);
	transfer_close(&file);
	if (rc < 0)
		copies_put(*out);
	return rc;
}

static void read_work(struct worker_job *job, struct xen *x)
{
	struct reading *r = (struct reading *)job;

	r->rc = x ? read_description(r->c, x, &r->file, &r->err)
		  : err_set(&r->err, EAGAIN, "Xen cannot be opened once more now");
}

static void read_done(struct worker_job *job)
{
	struct reading *r = (struct reading *)job;

	transfer_close(&r->file);
	if (r->rc < 0)
		copies_put(r->c);
	r->fn(r->arg, r->rc < 0 ? NULL : r->c, r->rc, &r->err);
	free(r);
}

int copies_read(struct engine *en, const char *name, copies_fn *fn, void *arg, struct err *e)
{
	struct reading *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	rc = new_copies(en, name, &r->file, &r->c, e);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->job = (struct worker_job){.work = read_work, .done = read_done};
	r->fn = fn;
	r->arg = arg;
	worker_push(en->worker, WORKER_STREAMS, &r->job);
	return 0;
}

/* --- a copy --- */

int copies_make(struct copies *c, struct xen *x, struct transfer *file,
		const struct dom_spec *order, struct dom *d, struct err *e)
{
	struct dom_spec spec = c->spec;
	struct save_stats st;
	struct save_stream *s;
	int rc = save_open(x, file, &s, e);

	spec.domid = order->domid;
	memcpy(spec.uuid, order->uuid, sizeof(spec.uuid));
	if (rc == 0)
		rc = dom_prepare(x, &spec, NULL, d, e);
	if (rc == 0 && c->boots)
		rc = view_ports(x, d->domid, false, &d->console_port, &d->store_port, e);
	if (rc == 0)
		rc = save_restore(x, s, d, &st, e);
	save_close(s);
	return rc < 0 ? err_wrap(e, rc, "a copy of snapshot \"%s\"", c->name) : 0;
}
