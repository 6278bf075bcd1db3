/* SPDX-License-Identifier: BSD-3-Clause */
/* version, host, metrics: requests about the host and the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "split-toolstack/chaosd/metrics.h"
#include "split-toolstack/chaosd/ops.h"

/* Of a text that does not fit a frame. */
#define CHUNK 32768u

int op_version(struct engine *en, struct request *r, struct err *e)
{
	struct xen_host host;
	struct wire_out w;
	int rc = xen_host_info(engine_xen(en), &host);

	if (rc < 0)
		return err_sys(e, -rc, "read memory and CPUs of this host from Xen");
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_VERSION_TEXT, CHAOS_VERSION);
	wire_text(&w, PROTO_XEN, host.version);
	wire_text(&w, PROTO_STORE, store_mode_name(engine_store_mode(en)));
	reply_send(r->c, &w);
	return 0;
}

int op_host(struct engine *en, struct request *r, struct err *e)
{
	struct engine_host h;
	struct wire_out w;
	int rc = engine_host(en, &h, e);

	if (rc < 0)
		return rc;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_VERSION_TEXT, CHAOS_VERSION);
	wire_text(&w, PROTO_XEN, h.xen.version);
	wire_text(&w, PROTO_STORE, store_mode_name(engine_store_mode(en)));
	wire_text(&w, PROTO_ROOM, engine_store_room(en));
	wire_u32(&w, PROTO_CPUS, h.xen.cpus);
	wire_u64(&w, PROTO_MEM_KIB, h.xen.total_pages * 4);
	wire_u64(&w, PROTO_FREE_KIB, h.xen.free_pages * 4);
	wire_u64(&w, PROTO_POOL_KIB, h.pool_kib);
	wire_u32(&w, PROTO_VMS, h.vms);
	wire_u32(&w, PROTO_SLOTS, h.slots);
	wire_u32(&w, PROTO_PVH, h.xen.hvm);
	wire_text(&w, PROTO_TAIL, h.tail_guard);
	reply_send(r->c, &w);
	return 0;
}

int op_metrics(struct engine *en, struct request *r, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	metrics_print(en, r->c->of->n, f);
	if (fclose(f) != 0 || !text) {
		free(text);
		return err_set(e, ENOMEM, "out of memory");
	}
	for (size_t at = 0; at < len;) {
		struct wire_out w;
		size_t n = len - at < CHUNK ? len - at : CHUNK;

		reply_begin(r->c, &w, PROTO_ITEM, r->in.h.tag);
		wire_bytes(&w, PROTO_DATA, text + at, (uint32_t)n);
		reply_send(r->c, &w);
		at += n;
	}
	free(text);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}
