/* SPDX-License-Identifier: BSD-3-Clause */
/* What operations have in common. */
#include "split-toolstack/chaosd/request.h"

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

void reply_warnings(struct conn *c, uint32_t tag, const struct vmcfg_list *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct wire_out w;

		reply_begin(c, &w, PROTO_ITEM, tag);
		wire_text(&w, PROTO_WARNING, l->item[i]);
		reply_send(c, &w);
	}
}
