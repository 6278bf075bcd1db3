/* SPDX-License-Identifier: BSD-3-Clause */
/* What operations have in common. */
#include "split-toolstack/chaosd/request.h"

#include "split-toolstack/chaosd/fields.h"

#include <errno.h>

#include "split-toolstack/vmcfg/vmcfg.h"

int request_vm(struct engine *en, const struct request *r, struct vm **out, struct err *e)
{
	char what[VM_NAME_MAX + 1];

	if (!wire_get_text(&r->in, PROTO_WHAT, what, sizeof(what)) || what[0] == '\0')
		return err_set(e, EINVAL, "no VM named, or its name is too long");
	*out = engine_find(en, what);
	if (!*out)
		return err_set(e, ESRCH, "no VM \"%s\"; \"chaos list --all\" shows what there is",
			       what);
	return 0;
}

int request_file(struct request *r, uint16_t field, int **file, struct err *e)
{
	uint32_t i = wire_get_u32(&r->in, field, UINT32_MAX);

	if (i >= r->nfd || r->fd[i] < 0)
		return err_set(e, EPROTO, "no file was passed");
	*file = &r->fd[i];
	return 0;
}

int request_take(int *file)
{
	int fd = *file;

	*file = -1;
	return fd;
}

void reply_stream(struct conn *c, uint32_t tag, const char *vm, const struct stream_stats *st,
		  int rc, const struct err *e)
{
	struct wire_out w;

	if (rc < 0) {
		reply_error(c, tag, e);
		return;
	}
	if (c->gone)
		return;
	reply_begin(c, &w, PROTO_OK, tag);
	wire_text(&w, PROTO_NAME, vm);
	fields_stream(&w, st);
	reply_send(c, &w);
}

void reply_warnings(struct conn *c, uint32_t tag, const struct vmcfg_list *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct wire_out w;

		reply_begin(c, &w, PROTO_ITEM, tag);
		wire_text(&w, PROTO_WARNING, l->item[i]);
		reply_send(c, &w);
	}
}
