/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of all VMs. */
#include <stdlib.h>

#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/lists.h"
#include "split-toolstack/chaosd/ops.h"

struct vm_list {
	struct list list;
	struct listing *l;
};

static void send_vm(const struct vm_info *i, void *arg)
{
	const struct list *t = arg;
	struct wire_out w;

	reply_begin(t->c, &w, PROTO_ITEM, t->tag);
	fields_vm_info(&w, i);
	reply_send(t->c, &w);
}

static void send_foreign(const struct xen_domain_info *d, const char *name, void *arg)
{
	const struct list *t = arg;
	struct wire_out w;

	reply_begin(t->c, &w, PROTO_ITEM, t->tag);
	fields_foreign(&w, d, name);
	reply_send(t->c, &w);
}

static int more(struct list *t, uint32_t most, struct err *e)
{
	return listing_more(((struct vm_list *)t)->l, most, send_vm, send_foreign, t, e);
}

static void close_listing(struct list *t)
{
	listing_close(((struct vm_list *)t)->l);
}

static const struct list_ops list_ops = {.more = more, .close = close_listing};

int op_list(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	struct list *t = NULL;
	int rc = list_new(r, &list_ops, sizeof(struct vm_list), &t, e);

	if (rc < 0)
		return rc;
	rc = listing_open(en, flags & PROTO_F_ALL, flags & PROTO_F_FOREIGN,
			  &((struct vm_list *)t)->l, e);
	if (rc < 0)
		free(t);
	else
		list_begin(t);
	return rc < 0 ? rc : 0;
}
