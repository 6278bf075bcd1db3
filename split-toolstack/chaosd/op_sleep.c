/* SPDX-License-Identifier: BSD-3-Clause */
/* sleep and wake: answered when they are done; they continue if the client disconnects. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/sleep.h"

/* Exists longer than the connection. */
struct pending {
	struct conn *c; /* a reference */
	uint32_t tag;
	char vm[VM_NAME_MAX + 1];
	struct stream_stats stats; /* wake */
};

static struct pending *new_pending(const struct request *r, const struct vm *vm, struct err *e)
{
	struct pending *k = calloc(1, sizeof(*k));

	if (!k) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	k->c = r->c;
	k->tag = r->in.h.tag;
	(void)snprintf(k->vm, sizeof(k->vm), "%s", vm_name(vm));
	conn_ref(k->c);
	return k;
}

static void free_pending(struct pending *k)
{
	conn_unref(k->c);
	free(k);
}

static void slept(void *arg, int rc, const struct stream_stats *s, const struct err *e)
{
	struct pending *k = arg;
	struct wire_out w;

	if (rc == 0)
		log_line(LOG_INFO, "op=sleep name=%s bytes=%llu pages=%llu/%llu us=%llu", k->vm,
			 (unsigned long long)s->bytes, (unsigned long long)s->present,
			 (unsigned long long)s->pages, (unsigned long long)s->total_ns / 1000);
	if (rc < 0 && !k->c->gone) {
		reply_error(k->c, k->tag, e);
	} else if (!k->c->gone) {
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		wire_text(&w, PROTO_NAME, k->vm);
		fields_stream(&w, s);
		reply_send(k->c, &w);
	}
	free_pending(k);
}

int op_sleep(struct engine *en, struct request *r, struct err *e)
{
	struct pending *k;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	k = new_pending(r, vm, e);
	if (!k)
		return -ENOMEM;
	rc = vm_sleep(vm, slept, k, e);
	if (rc < 0)
		free_pending(k);
	return rc;
}

static void woken(void *arg, int rc, struct vm *vm, const struct vm_timings *t, const struct err *e)
{
	struct pending *k = arg;
	struct wire_out w;
	struct vm_info i;

	if (rc == 0)
		log_line(LOG_INFO, "op=wake dom=%u name=%s way=%s bytes=%llu us=%llu", vm_domid(vm),
			 k->vm, vm_way_name(t->way), (unsigned long long)k->stats.bytes,
			 (unsigned long long)k->stats.total_ns / 1000);
	if (rc < 0 && !k->c->gone) {
		reply_error(k->c, k->tag, e);
	} else if (!k->c->gone) {
		vm_known_info(vm, &i);
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		fields_vm_info(&w, &i);
		wire_text(&w, PROTO_WAY, vm_way_name(t->way));
		wire_text(&w, PROTO_WHY, t->why);
		fields_stream(&w, &k->stats);
		reply_send(k->c, &w);
	}
	free_pending(k);
}

int op_wake(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	struct pending *k;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0 && restore_flags(flags) & VM_RESTORE_DISKS & ~VM_RESTORE_DISKS_KEEP)
		rc = err_set(e, EINVAL, "wake: \"keep\" is the only choice for disks");
	if (rc < 0)
		return rc;
	k = new_pending(r, vm, e);
	if (!k)
		return -ENOMEM;
	rc = vm_wake(vm, "client", restore_flags(flags), woken, k, &k->stats, e);
	if (rc < 0)
		free_pending(k);
	return rc;
}
