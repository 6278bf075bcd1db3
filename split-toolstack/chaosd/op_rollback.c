/* SPDX-License-Identifier: BSD-3-Clause */
/* rollback: sets a VM back to a snapshot. It continues if the client disconnects. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/rollback.h"

struct rolling {
	struct conn *c;
	uint32_t tag;
	char vm[VM_NAME_MAX + 1];
};

static void rolled(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct rolling *k = arg;
	struct conn *c = k->c;

	log_line(LOG_INFO, "op=rollback name=%s pages=%llu/%llu stopped_us=%llu us=%llu%s%s", k->vm,
		 (unsigned long long)st->present, (unsigned long long)st->pages,
		 (unsigned long long)st->stopped_ns / 1000, (unsigned long long)st->total_ns / 1000,
		 rc < 0 ? " error=" : "", rc < 0 ? err_msg(e) : "");
	reply_stream(c, k->tag, k->vm, st, rc, e);
	conn_unref(c);
	free(k);
}

int op_rollback(struct engine *en, struct request *r, struct err *e)
{
	char name[VM_NAME_MAX + 1];
	struct wire_field f;
	struct rolling *k;
	bool named = wire_find(&r->in, PROTO_NAME, &f);
	uint32_t flags = restore_flags(wire_get_u32(&r->in, PROTO_FLAGS, 0)) & VM_RESTORE_DISKS;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0 && flags & ~VM_RESTORE_DISKS_KEEP)
		rc = err_set(e, EINVAL, "rollback: \"keep\" is the only choice for disks");
	if (rc < 0)
		return rc;
	if (named && (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)) || !name[0]))
		return err_set(e, EINVAL, "rollback: a snapshot's name has 1 to %d characters",
			       VM_NAME_MAX);
	k = malloc(sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct rolling){.c = r->c, .tag = r->in.h.tag};
	(void)snprintf(k->vm, sizeof(k->vm), "%s", vm_name(vm));
	conn_ref(r->c);
	rc = vm_rollback(vm, named ? name : NULL, flags, rolled, k, e);
	if (rc < 0) {
		conn_unref(r->c);
		free(k);
	}
	return rc;
}
