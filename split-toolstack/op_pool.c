/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: shows flavors, changes targets. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/poolcfg.h"
#include "split-toolstack/server.h"

static void send_flavor(const struct pool_flavor *f, void *arg)
{
	const struct request *r = arg;
	struct wire_out w;
	uint32_t mark;

	reply_begin(r->c, &w, PROTO_ITEM, r->in.h.tag);
	mark = wire_open(&w, PROTO_FLAVOR);
	wire_text(&w, PROTO_TYPE, dom_type_name(f->type));
	wire_u32(&w, PROTO_VCPUS, f->vcpus);
	wire_u64(&w, PROTO_MEM_KIB, f->mem_kib);
	wire_text(&w, PROTO_KERNEL, f->image);
	wire_u32(&w, PROTO_TARGET, f->target);
	wire_u32(&w, PROTO_READY, f->ready);
	wire_u64(&w, PROTO_HITS, f->hits);
	wire_close(&w, mark);
	reply_send(r->c, &w);
}

int op_pool(struct engine *en, struct request *r, struct err *e)
{
	(void)e;
	pool_for_each(en, send_flavor, r);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}

int op_pool_set(struct engine *en, struct request *r, struct err *e)
{
	struct pool_flavor f;
	char text[4096];
	int rc;

	if (!wire_get_text(&r->in, PROTO_TEXT, text, sizeof(text)))
		return err_set(e, EINVAL, "pool: no flavor given");
	rc = poolcfg_parse(text, &f, e);
	if (rc < 0)
		return rc;
	rc = pool_set(en, &f, e);
	free(f.image);
	if (rc < 0)
		return rc;
	log_line(LOG_INFO, "op=pool set=\"%s\" uid=%u pid=%d", text, r->c->uid, r->c->pid);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}
