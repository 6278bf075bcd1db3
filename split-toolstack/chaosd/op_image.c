/* SPDX-License-Identifier: BSD-3-Clause */
/* images: the store of chaosd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/lists.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/images/imagestore.h"

static void put_image(struct wire_out *w, const struct stored_image *i)
{
	uint32_t mark = wire_open(w, PROTO_IMAGE);

	wire_text(w, PROTO_NAME, i->name);
	wire_text(w, PROTO_DIGEST, i->digest);
	wire_text(w, PROTO_TYPE, i->pv && i->pvh ? "pv,pvh" : i->pv ? "pv" : "pvh");
	wire_text(w, PROTO_TEXT, i->guest_os);
	wire_u32(w, PROTO_NOXS, i->noxs);
	wire_u32(w, PROTO_LINUX, i->linux_kernel);
	wire_u64(w, PROTO_BYTES, i->bytes);
	wire_u64(w, PROTO_MEM_KIB, i->min_kib);
	wire_u64(w, PROTO_WHEN, i->imported_ns);
	wire_close(w, mark);
}

struct image_list {
	struct list list;
	const struct imagestore *all;
	char last[IMAGE_NAME_MAX + 1]; /* that was sent; "": none */
};

static int more(struct list *t, uint32_t most, struct err *e)
{
	struct image_list *l = (struct image_list *)t;

	(void)e;
	for (; most && !t->c->gone; most--) {
		struct stored_image i;
		struct wire_out w;

		if (!imagestore_next(l->all, l->last, &i))
			return 0;
		(void)snprintf(l->last, sizeof(l->last), "%s", i.name);
		reply_begin(t->c, &w, PROTO_ITEM, t->tag);
		put_image(&w, &i);
		reply_send(t->c, &w);
	}
	return 1;
}

static void close_images(struct list *t)
{
	(void)t;
}

static const struct list_ops list_ops = {.more = more, .close = close_images};

int op_images(struct engine *en, struct request *r, struct err *e)
{
	struct list *t = NULL;
	int rc = list_new(r, &list_ops, sizeof(struct image_list), &t, e);

	if (rc < 0)
		return rc;
	((struct image_list *)t)->all = engine_imagestore(en);
	list_begin(t);
	return 0;
}

/* --- rm and import: answered when it is on the disk --- */

struct removing {
	struct conn *c;
	uint32_t tag;
	char name[IMAGE_NAME_MAX + 1];
};

static void removed(void *arg, int rc, const struct err *e)
{
	struct removing *k = arg;
	struct wire_out w;

	if (rc < 0) {
		reply_error(k->c, k->tag, e);
	} else {
		log_line(LOG_INFO, "op=image-rm image=%s uid=%u pid=%d", k->name, k->c->uid,
			 k->c->pid);
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		wire_text(&w, PROTO_NAME, k->name);
		reply_send(k->c, &w);
	}
	conn_unref(k->c);
	free(k);
}

int op_image_rm(struct engine *en, struct request *r, struct err *e)
{
	struct removing *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	k->c = r->c;
	k->tag = r->in.h.tag;
	conn_ref(r->c);
	if (!wire_get_text(&r->in, PROTO_NAME, k->name, sizeof(k->name)))
		rc = err_set(e, EINVAL, "no image named, or its name is too long");
	else
		rc = imagestore_rm(engine_imagestore(en), k->name, removed, k, e);
	if (rc < 0) {
		conn_unref(r->c);
		free(k);
	}
	return rc;
}

struct importing {
	struct conn *c;
	uint32_t tag;
};

static void imported(void *arg, int rc, const struct stored_image *i, const struct err *e)
{
	struct importing *k = arg;
	struct wire_out w;

	if (rc < 0) {
		reply_error(k->c, k->tag, e);
	} else {
		reply_begin(k->c, &w, PROTO_OK, k->tag);
		put_image(&w, i);
		reply_send(k->c, &w);
		log_line(LOG_INFO, "op=image-import image=%s digest=%s uid=%u pid=%d", i->name,
			 i->digest, k->c->uid, k->c->pid);
	}
	conn_unref(k->c);
	free(k);
}

int op_image_import(struct engine *en, struct request *r, struct err *e)
{
	char name[IMAGE_NAME_MAX + 1];
	struct importing *k;
	int *file = NULL;
	int rc;

	if (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)))
		return err_set(e, EINVAL, "image name: 1 to %u characters", IMAGE_NAME_MAX);
	rc = request_file(r, PROTO_KERNEL_FD, &file, e);
	if (rc < 0)
		return rc;
	k = malloc(sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct importing){r->c, r->in.h.tag};
	rc = imagestore_import(engine_imagestore(en), name, *file, imported, k, e);
	if (rc < 0) {
		free(k);
		return rc;
	}
	(void)request_take(file); /* it is the engine's */
	conn_ref(r->c);
	return 0;
}
