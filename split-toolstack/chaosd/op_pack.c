/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots to and from open files of clients. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/pack.h"

/* Exists longer than the request: until the engine has called back. */
struct packing {
	struct conn_hook hook; /* hook.c NULL: the client has disconnected */
	struct engine *en;
	stream_id id;
	uint32_t tag;
	bool in;
	char name[IMAGE_NAME_MAX + 1];
};

static void packer_gone(struct conn_hook *h)
{
	struct packing *k = (struct packing *)h;

	conn_remove_hook(h);
	k->hook.c = NULL;
	snapshot_pack_cancel(k->en, k->id);
}

static void room(struct conn_hook *h)
{
	(void)h;
}

static const struct conn_hook_ops packer = {.room = room, .gone = packer_gone};

static void packed(void *arg, int rc, const struct snapshot *x, uint64_t bytes, const struct err *e)
{
	struct packing *k = arg;
	struct conn *c = k->hook.c;
	struct wire_out w;

	if (c) {
		conn_ref(c);
		conn_remove_hook(&k->hook);
	}
	if (rc == 0)
		log_line(LOG_INFO, "op=snapshot-%s snapshot=%s bytes=%llu",
			 k->in ? "unpack" : "pack", k->name, (unsigned long long)bytes);
	if (c && rc < 0) {
		reply_error(c, k->tag, e);
	} else if (c) {
		reply_begin(c, &w, PROTO_OK, k->tag);
		if (k->in)
			fields_snapshot(&w, engine_snapshots(k->en), x);
		else
			wire_text(&w, PROTO_NAME, k->name);
		wire_u64(&w, PROTO_BYTES, bytes);
		reply_send(c, &w);
	}
	if (c)
		conn_unref(c);
	free(k);
}

static int pack_or_unpack(struct engine *en, struct request *r, bool in, struct err *e)
{
	struct packing *k = calloc(1, sizeof(*k));
	int *file = NULL;
	int rc = 0;

	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct packing){.en = en, .tag = r->in.h.tag, .in = in};
	if (!wire_get_text(&r->in, PROTO_NAME, k->name, sizeof(k->name)))
		rc = err_set(e, EINVAL, "no snapshot named, or its name is too long");
	if (rc == 0)
		rc = request_file(r, PROTO_FILE_FD, &file, e);
	if (rc == 0 && in)
		rc = snapshot_unpack(en, k->name, request_take(file), packed, k, &k->id, e);
	else if (rc == 0)
		rc = snapshot_pack(en, k->name, request_take(file), packed, k, &k->id, e);
	if (rc < 0)
		free(k);
	else
		conn_add_hook(r->c, &k->hook, &packer);
	return rc;
}

int op_snapshot_pack(struct engine *en, struct request *r, struct err *e)
{
	return pack_or_unpack(en, r, false, e);
}

int op_snapshot_unpack(struct engine *en, struct request *r, struct err *e)
{
	return pack_or_unpack(en, r, true, e);
}
