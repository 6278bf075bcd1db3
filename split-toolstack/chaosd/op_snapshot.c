/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshots: stored VMs with names, and copies of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/lists.h"
#include "split-toolstack/chaosd/metrics.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/snapshot.h"
#include "split-toolstack/vmcfg/vmcfg.h"

/* --- list --- */

struct snapshot_list {
	struct list list;
	struct snapshots *all;
	struct snapshot_walk at;
};

static int more(struct list *t, uint32_t most, struct err *e)
{
	struct snapshot_list *l = (struct snapshot_list *)t;

	(void)e;
	for (; most && !t->c->gone; most--) {
		const struct snapshot *x = snapshots_walk_next(&l->at);
		struct wire_out w;

		if (!x)
			return 0;
		reply_begin(t->c, &w, PROTO_ITEM, t->tag);
		fields_snapshot(&w, l->all, x);
		reply_send(t->c, &w);
	}
	return 1;
}

static void close_walk(struct list *t)
{
	struct snapshot_list *l = (struct snapshot_list *)t;

	snapshots_walk_end(l->all, &l->at);
}

static const struct list_ops list_ops = {.more = more, .close = close_walk};

int op_snapshots(struct engine *en, struct request *r, struct err *e)
{
	struct snapshot_list *l;
	struct list *t = NULL;
	int rc = list_new(r, &list_ops, sizeof(*l), &t, e);

	if (rc < 0)
		return rc;
	l = (struct snapshot_list *)t;
	l->all = engine_snapshots(en);
	snapshots_walk_begin(l->all, &l->at);
	list_begin(t);
	return 0;
}

/* --- what outlives the request: the engine answers when it is done --- */

struct snapping {
	struct engine *en;
	struct conn *c;
	uint32_t tag, flags;
	char name[IMAGE_NAME_MAX + 1]; /* rm: of the snapshot; else of the VM */
	struct stream_stats st;
};

static struct snapping *begin(struct engine *en, struct request *r, struct err *e)
{
	struct snapping *k = calloc(1, sizeof(*k));

	if (!k) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	k->en = en;
	k->c = r->c;
	k->tag = r->in.h.tag;
	k->flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	conn_ref(k->c);
	return k;
}

static void end(struct snapping *k)
{
	conn_unref(k->c);
	free(k);
}

/* An optional name: 0 and "" if it is not given. */
static int read_name(const struct request *r, enum proto_id id, char *to, size_t room,
		     struct err *e)
{
	struct wire_field f;

	to[0] = '\0';
	if (!wire_find(&r->in, id, &f))
		return 0;
	if (!wire_get_text(&r->in, id, to, room) || !to[0])
		return err_set(e, EINVAL, "a name of 1 to %zu characters is needed", room - 1);
	return 0;
}

/* --- snapshot --- */

static void snapped(void *arg, int rc, const struct snapshot *x, const struct stream_stats *st,
		    const struct err *e)
{
	struct snapping *k = arg;
	struct wire_out w;

	if (rc < 0) {
		reply_error(k->c, k->tag, e);
	} else {
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		fields_snapshot(&w, engine_snapshots(k->en), x);
		fields_stream(&w, st);
		reply_send(k->c, &w);
		log_line(LOG_INFO,
			 "op=snapshot name=%s snapshot=%s digest=%.12s bytes=%llu stopped_us=%llu "
			 "us=%llu uid=%u pid=%d",
			 x->vm, x->name, x->digest, (unsigned long long)x->bytes,
			 (unsigned long long)st->stopped_ns / 1000,
			 (unsigned long long)st->total_ns / 1000, k->c->uid, k->c->pid);
	}
	end(k);
}

int op_snapshot(struct engine *en, struct request *r, struct err *e)
{
	char name[IMAGE_NAME_MAX + 1] = "";
	struct snapping *k;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = read_name(r, PROTO_NAME, name, sizeof(name), e);
	if (rc < 0)
		return rc;
	k = begin(en, r, e);
	if (!k)
		return -ENOMEM;
	rc = vm_snapshot(vm, name[0] ? name : NULL, snapped, k, e);
	if (rc < 0)
		end(k);
	return rc;
}

/* --- rm --- */

static void removed(void *arg, int rc, const struct err *e)
{
	struct snapping *k = arg;
	struct wire_out w;

	if (rc < 0) {
		reply_error(k->c, k->tag, e);
	} else {
		log_line(LOG_INFO, "op=snapshot-rm snapshot=%s uid=%u pid=%d", k->name, k->c->uid,
			 k->c->pid);
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		wire_text(&w, PROTO_NAME, k->name);
		reply_send(k->c, &w);
	}
	end(k);
}

int op_snapshot_rm(struct engine *en, struct request *r, struct err *e)
{
	struct snapping *k = begin(en, r, e);
	int rc;

	if (!k)
		return -ENOMEM;
	if (!wire_get_text(&r->in, PROTO_NAME, k->name, sizeof(k->name)))
		rc = err_set(e, EINVAL, "no snapshot named, or its name is too long");
	else
		rc = snapshot_rm(engine_snapshots(en), k->name, removed, k, e);
	if (rc < 0)
		end(k);
	return rc;
}

/* --- create --from --- */

static void add_device(const struct device_info *d, void *arg)
{
	fields_device(arg, d);
}

static void created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		    const struct err *e)
{
	struct snapping *k = arg;
	struct vm_info i;
	struct wire_out w;

	if (rc < 0) {
		reply_error(k->c, k->tag, e);
	} else {
		if (!k->st.total_ns) /* out of the pool */
			k->st.total_ns = t->total_ns;
		if (k->flags & PROTO_F_TIMINGS)
			reply_times(k->c, k->tag, t);
		vm_known_info(vm, &i);
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		fields_vm_info(&w, &i);
		wire_text(&w, PROTO_WAY, vm_way_name(t->way));
		wire_text(&w, PROTO_WHY, t->why);
		fields_stream(&w, &k->st);
		if (t->way == VM_BOOTED) /* its devices were chosen before the create */
			vm_for_each_device(vm, add_device, &w);
		reply_send(k->c, &w);
		if (t->way == VM_BOOTED)
			metrics_create(t->way, t->total_ns);
		log_line(LOG_INFO,
			 "op=create dom=%u name=%s snapshot=%s way=%s us=%llu uid=%u pid=%d",
			 vm_domid(vm), vm_name(vm), k->name, vm_way_name(t->way),
			 (unsigned long long)k->st.total_ns / 1000, k->c->uid, k->c->pid);
	}
	end(k);
}

int request_vif(const struct request *r, struct device_config *d, const struct vif_config **vif,
		struct err *e)
{
	struct wire_field f;
	char spec[512];
	int rc;

	*vif = NULL;
	device_config_init(d, DEVICE_VIF);
	if (!wire_find(&r->in, PROTO_SET, &f))
		return 0;
	if (!wire_get_text(&r->in, PROTO_SET, spec, sizeof(spec)) || strncmp(spec, "vif=", 4) != 0)
		return err_set(e, EINVAL, "of a copy vif is the only key that can be given");
	rc = vmcfg_device(DEVICE_VIF, spec + 4, NULL, NULL, d, e);
	if (rc < 0)
		return rc;
	*vif = &d->u.vif;
	return 0;
}

int op_create_from(struct engine *en, struct request *r, struct err *e)
{
	const struct vif_config *vif = NULL;
	struct device_config d;
	char name[VM_NAME_MAX + 1];
	struct snapping *k;
	uint32_t how;
	int rc = read_name(r, PROTO_NAME, name, sizeof(name), e);

	if (rc == 0)
		rc = request_vif(r, &d, &vif, e);
	if (rc < 0)
		return rc;
	k = begin(en, r, e);
	if (!k)
		return -ENOMEM;
	how = restore_flags(k->flags);
	how |= k->flags & PROTO_F_READY ? VM_CREATE_WAIT_READY : 0;
	if (!wire_get_text(&r->in, PROTO_WHAT, k->name, sizeof(k->name)))
		rc = err_set(e, EINVAL, "no snapshot named, or its name is too long");
	else
		rc = engine_create_from(en, k->name, name[0] ? name : NULL, vif, how, created, k,
					&k->st, e);
	if (rc < 0)
		end(k);
	return rc;
}
