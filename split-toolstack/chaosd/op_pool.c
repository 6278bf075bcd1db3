/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: shows flavors, changes targets. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/vmcfg/pool.h"
#include "split-toolstack/chaosd/ops.h"

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

/* Waits for the image to be read. */
struct setting {
	struct conn *c;
	uint32_t tag;
	char text[4096];
};

static void set_is_done(const struct setting *k)
{
	log_line(LOG_INFO, "op=pool set=\"%s\" uid=%u pid=%d", k->text, k->c->uid, k->c->pid);
	reply_ok(k->c, k->tag);
}

static void was_set(void *arg, int rc, const struct err *e)
{
	struct setting *k = arg;

	if (rc < 0)
		reply_error(k->c, k->tag, e);
	else
		set_is_done(k);
	conn_unref(k->c);
	free(k);
}

int op_pool_set(struct engine *en, struct request *r, struct err *e)
{
	struct setting *k = calloc(1, sizeof(*k));
	struct pool_flavor f;
	int rc;

	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	k->c = r->c;
	k->tag = r->in.h.tag;
	if (!wire_get_text(&r->in, PROTO_TEXT, k->text, sizeof(k->text))) {
		free(k);
		return err_set(e, EINVAL, "pool: no flavor given");
	}
	rc = poolcfg_parse(k->text, &f, e);
	if (rc == 0) {
		rc = pool_set_later(en, &f, was_set, k, e);
		poolcfg_clear(&f);
	}
	if (rc == 1) {
		conn_ref(r->c);
		return 0;
	}
	if (rc == 0)
		set_is_done(k);
	free(k);
	return rc;
}
