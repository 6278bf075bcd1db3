/* SPDX-License-Identifier: BSD-3-Clause */
/* branch: copies of a VM, each an item of the answer as soon as it lives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/metrics.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/branch.h"

/* Until the last call of the engine, or the end of its connection. */
struct branching {
	struct conn_hook hook;
	struct engine *en;
	stream_id id;
	uint32_t tag;
	uint32_t made;
	char vm[VM_NAME_MAX + 1];
};

static void brancher_gone(struct conn_hook *h)
{
	struct branching *k = (struct branching *)h;

	conn_remove_hook(h);
	vm_branch_cancel(k->en, k->id);
	free(k);
}

static void brancher_room(struct conn_hook *h)
{
	const struct branching *k = (struct branching *)h;

	vm_branch_more(k->en, k->id);
}

static const struct conn_hook_ops brancher = {.room = brancher_room, .gone = brancher_gone};

static bool made(void *arg, struct vm *copy, const struct vm_timings *t)
{
	struct branching *k = arg;
	struct conn *c = k->hook.c;
	struct vm_info i;
	struct wire_out w;
	bool more;

	k->made++;
	metrics_create(t->way, t->total_ns);
	vm_known_info(copy, &i);
	conn_ref(c);
	reply_begin(c, &w, PROTO_ITEM, k->tag);
	fields_vm_info(&w, &i);
	wire_text(&w, PROTO_WAY, vm_way_name(t->way));
	reply_send(c, &w); /* may be its end, and then k's */
	more = c->gone || !c->queue;
	conn_unref(c);
	return more;
}

static void done(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct branching *k = arg;
	struct conn *c = k->hook.c;

	conn_ref(c);
	conn_remove_hook(&k->hook);
	log_line(LOG_INFO,
		 "op=branch name=%s copies=%u pages=%llu/%llu stopped_us=%llu us=%llu%s%s", k->vm,
		 k->made, (unsigned long long)st->present, (unsigned long long)st->pages,
		 (unsigned long long)st->stopped_ns / 1000, (unsigned long long)st->total_ns / 1000,
		 rc < 0 ? " error=" : "", rc < 0 ? err_msg(e) : "");
	reply_stream(c, k->tag, k->vm, st, rc, e);
	conn_unref(c);
	free(k);
}

static const struct branch_ops ops = {.made = made, .done = done};

int op_branch(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	struct branch_want want = {.count = wire_get_u32(&r->in, PROTO_COUNT, 1)};
	char name[VM_NAME_MAX + 1];
	struct device_config d;
	struct wire_field f;
	struct branching *k;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = request_vif(r, &d, &want.vif, e);
	if (rc < 0)
		return rc;
	want.flags = restore_flags(flags);
	want.flags |= flags & PROTO_F_READY ? VM_CREATE_WAIT_READY : 0;
	if (wire_find(&r->in, PROTO_NAME, &f)) {
		if (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)) || !name[0])
			return err_set(e, EINVAL, "branch: a name of 1 to %d characters is needed",
				       VM_NAME_MAX);
		want.name = name;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct branching){.en = en, .tag = r->in.h.tag};
	(void)snprintf(k->vm, sizeof(k->vm), "%s", vm_name(vm));
	conn_add_hook(r->c, &k->hook, &brancher);
	rc = vm_branch(vm, &want, &ops, k, &k->id, e); /* may be over when it returns */
	if (rc < 0) {
		conn_remove_hook(&k->hook);
		free(k);
	}
	return rc;
}
