/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: shows flavors, changes targets. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/fields.h"
#include "split-toolstack/poolcfg.h"
#include "split-toolstack/server.h"

static void send_flavor(const struct pool_flavor *f, void *arg)
{
	const struct request *r = arg;
	struct wire_out w;

	reply_begin(r->c, &w, PROTO_ITEM, r->in.h.tag);
	fields_flavor(&w, f);
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
	free(f.ramdisk);
	if (rc < 0)
		return rc;
	log_line(LOG_INFO, "op=pool set=\"%s\" uid=%u pid=%d", text, r->c->uid, r->c->pid);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}
