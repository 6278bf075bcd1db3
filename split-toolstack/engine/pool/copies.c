/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a snapshot, made in advance: domains that are filled from its file, and continue
 * when they are taken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/transfer.h"
#include "libdom/save.h"
#include "libdom/share.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/record.h"

/* The snapshot cannot be removed while a flavor uses it. After that, copies that threads still
 * make from the open file are dropped. */
struct copies {
	struct engine *en;
	struct snapshot_hold hold;
	char name[IMAGE_NAME_MAX + 1];
	uint32_t refs;	      /* of the loop: a thread's is kept by its job */
	struct vm_config cfg; /* of the VM that it is of */
	struct dom_spec spec; /* of a copy; its CPUs are those in cfg */
	bool boots;	      /* copies_boot() */
	/* The first domain made from it may become one whose pages the copies share. */
	bool overcommit;
	bool looked;	       /* it was made, and: */
	struct share *share;   /* NULL: they are copied */
	struct shell *at_rest; /* that domain */
	bool taken;	       /* a VM maps pages of it, or did */
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
	copies_end_template(c);
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
	int rc = snapshots_file(engine_snapshots(c->en), c->hold.of, &fd, e);

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
			       "pool: from=%s: disk %s: %s: the snapshot is from another host, so "
			       "its disks are not used here: give disk=none",
			       c->name, name, d->u.vbd.path);
	if (f->disks == POOL_DISKS_SAME && !d->u.vbd.readonly)
		return err_set(e, EBUSY,
			       "pool: from=%s: disk %s: %s: is written by its VM, and all copies "
			       "would write it, too: give disk=readonly or disk=none",
			       c->name, name, d->u.vbd.path);
	return 0;
}

/* As far as is known without its memory. */
static bool may_share(const struct copies *c)
{
	return !c->boots && c->spec.type == DOM_PV && c->spec.vcpus == 1;
}

int copies_suit(const struct copies *c, const struct pool_flavor *f, struct err *e)
{
	bool vifs = device_first_vif(c->cfg.device, c->cfg.ndevice) != NULL;
	int rc = 0;

	for (uint32_t i = 0; i < c->cfg.ndevice && rc == 0; i++)
		if (f->disks != POOL_DISKS_NONE && device_file(&c->cfg.device[i]))
			rc = refuse_disk(c, &c->cfg.device[i], f, e);
	if (rc < 0)
		return rc;
	if (!c->boots && (*f->ready_when || *f->macs || *f->ips || f->disks))
		return err_set(e, EINVAL,
			       "pool: from=%s: ready, mac, ip and disk are only for guests without "
			       "a noxs entry",
			       c->name);
	if (f->overcommit && !may_share(c))
		return err_set(e, EINVAL,
			       "pool: from=%s: overcommit is only for PV guests with a noxs entry "
			       "and one vCPU, whose copies share memory",
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

/* The snapshot that is recorded for a VM made from it. */
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
	const struct snapshot *x = snapshots_find(engine_snapshots(en), name, e);
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
	rc = read_description(*out, engine_xen(en), &file, e);
	transfer_close(&file);
	if (rc < 0)
		copies_put(*out);
	return rc;
}

static void read_work(struct worker_job *job, struct xen *x)
{
	struct reading *r = (struct reading *)job;

	r->rc = x ? read_description(r->c, x, &r->file, &r->err)
		  : err_set(&r->err, EAGAIN, "another handle to Xen cannot be opened");
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
	worker_push(engine_worker(en), WORKER_STREAMS, &r->job);
	return 0;
}

/* --- a copy --- */

bool copies_rest(const struct copies *c, uint32_t domid)
{
	return c->at_rest && c->at_rest->dom.domid == domid;
}

uint64_t copies_template_kib(const struct copies *c)
{
	return c->at_rest ? c->at_rest->dom.pages * 4 : 0;
}

void copies_overcommit(struct copies *c, bool overcommit)
{
	c->overcommit = overcommit;
}

uint64_t copies_kib(const struct copies *c)
{
	return c->at_rest && c->overcommit ? share_own_pages(c->share) * 4 : c->spec.mem_kib;
}

uint64_t copies_next_kib(const struct copies *c)
{
	return copies_kib(c) + (c->overcommit && copies_want_template(c) ? c->spec.mem_kib : 0);
}

void copies_taken(struct copies *c)
{
	c->taken = true;
}

void copies_end_template(struct copies *c)
{
	struct shell *s = c->at_rest;

	if (!s)
		return;
	share_free(c->share);
	c->share = NULL;
	c->at_rest = NULL;
	if (c->taken) /* VMs give it back */
		s->dom.pages = 0;
	c->looked = c->taken = false;
	shell_end(c->en, s);
}

bool copies_want_template(const struct copies *c)
{
	return !c->looked && may_share(c);
}

/* By the domain of `s`. */
static struct dom_spec order_of(const struct copies *c, const struct shell *s)
{
	struct dom_spec spec = c->spec;

	spec.domid = slot_domid(&s->slot);
	memcpy(spec.uuid, s->uuid, sizeof(spec.uuid));
	return spec;
}

static int make_first(struct copies *c, struct xen *x, struct transfer *file, struct shell *first,
		      struct err *e)
{
	struct dom_spec spec = order_of(c, first);
	struct save_stream *s;
	int rc = save_open(x, file, &s, e);

	if (rc == 0)
		rc = share_make(x, s, &spec, &first->dom, &c->share, e);
	if (!c->share)
		save_close(s);
	return rc;
}

static int make_whole(const struct copies *c, struct xen *x, struct transfer *file,
		      struct shell *shell, struct err *e)
{
	struct dom_spec spec = order_of(c, shell);
	struct dom *d = &shell->dom;
	struct save_stats st;
	struct save_stream *s;
	int rc = save_open(x, file, &s, e);

	if (rc == 0)
		rc = dom_prepare(x, &spec, NULL, d, e);
	if (rc == 0 && c->boots)
		rc = guest_store_ports(x, d->domid, false, &d->console_port, &d->store_port, e);
	if (rc == 0)
		rc = save_restore(x, s, d, &st, e);
	save_close(s);
	return rc;
}

/* If Xen refuses to share, pages are copied. */
static int make_sharing(struct copies *c, struct xen *x, struct transfer *file, struct shell *shell,
			const struct shell *first, struct err *e)
{
	struct dom_spec spec = order_of(c, shell);
	int rc = share_copy(x, c->share, &spec, !c->overcommit, &shell->dom, e);

	if (rc >= 0 || rc == -ENOMEM || rc == -EEXIST)
		return rc;
	if (!first)
		return make_whole(c, x, file, shell, e);
	share_free(c->share); /* it is a copy itself */
	c->share = NULL;
	return 0;
}

int copies_make(struct copies *c, struct xen *x, struct transfer *file, struct shell *shell,
		struct shell *first, struct err *e)
{
	int rc = first ? make_first(c, x, file, first, e) : 0;

	if (rc == 0 && c->share)
		rc = make_sharing(c, x, file, shell, first, e);
	else if (rc == 0 && !first)
		rc = make_whole(c, x, file, shell, e);
	return rc < 0 ? err_wrap(e, rc, "a copy of snapshot \"%s\"", c->name) : 0;
}

struct shell *copies_made(struct copies *c, struct shell *shell, struct shell *first, int rc)
{
	if (!first)
		return shell;
	if (c->share) {
		c->looked = true;
		c->at_rest = first;
		return shell;
	}
	c->looked = rc == 0;
	shell_end(c->en, shell); /* nothing was made for it */
	return first;
}
