/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM that moves between hosts: admission, arrival, start, and its end here. (The first part on
 * the source is a save: op_save.c.) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/migrate.h"

static void reply_name(const struct request *r, const char *name)
{
	struct wire_out w;

	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_NAME, name);
	reply_send(r->c, &w);
}

/* --- at its source --- */

int op_moved(struct engine *en, struct request *r, struct err *e)
{
	bool back = wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_KEEP;
	char name[VM_NAME_MAX + 1];
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	(void)snprintf(name, sizeof(name), "%s", vm_name(vm));
	rc = vm_moved(vm, !back, e);
	if (rc < 0)
		return rc;
	log_line(LOG_INFO, "op=moved name=%s there=%d uid=%u pid=%d", name, !back, r->c->uid,
		 r->c->pid);
	if (!r->c->gone) /* the event of its end was sent to other streams of the connection */
		reply_name(r, name);
	return 0;
}

/* --- at its target --- */

static int read_config(const struct request *r, struct vm_config *c, struct err *e)
{
	char text[VM_NAME_MAX + 1];

	if (!wire_get_text(&r->in, PROTO_NAME, c->name, sizeof(c->name)) || !c->name[0])
		return err_set(e, EINVAL, "a name of 1 to %d characters is needed", VM_NAME_MAX);
	if (!wire_get_text(&r->in, PROTO_TYPE, text, sizeof(text)) ||
	    (strcmp(text, "pv") != 0 && strcmp(text, "pvh") != 0))
		return err_set(e, EINVAL, "the type of a VM is pv or pvh");
	c->type = strcmp(text, "pv") == 0 ? DOM_PV : DOM_PVH;
	c->mem_kib = wire_get_u64(&r->in, PROTO_MEM_KIB, 0);
	c->vcpus = wire_get_u32(&r->in, PROTO_VCPUS, 0);
	if (wire_get_text(&r->in, PROTO_WHAT, text, sizeof(text))) {
		c->have_uuid = uuid_read(text, c->uuid) == 0;
		if (!c->have_uuid)
			return err_set(e, EINVAL, "\"%s\" is not a uuid", text);
	}
	return 0;
}

/* Older sources do not send this; the stream has it. */
static int read_needs(const struct request *r, struct save_needs *n, bool *known, struct err *e)
{
	struct wire_field f;

	*known = wire_find(&r->in, PROTO_NEEDS, &f);
	if (!*known)
		return 0;
	if (f.len < 4 || f.len % 4 || f.len > (1 + SAVE_NEEDS_MAX) * 4)
		return err_set(e, EINVAL, "its list of CPU features is malformed");
	*n = (struct save_needs){.words = f.len / 4 - 1};
	memcpy(&n->vendor, f.data, 4);
	memcpy(n->feature, (const uint8_t *)f.data + 4, f.len - 4);
	return 0;
}

int op_admit(struct engine *en, struct request *r, struct err *e)
{
	struct save_needs needs;
	bool known = false;
	struct vm_config c;
	int rc;

	vm_config_init(&c);
	rc = read_config(r, &c, e);
	if (rc == 0)
		rc = read_needs(r, &needs, &known, e);
	if (rc == 0)
		rc = engine_admit(en, &c, known ? &needs : NULL, e);
	if (rc == 0)
		reply_name(r, c.name);
	vm_config_clear(&c);
	return rc;
}

struct arriving {
	struct conn_hook hook; /* hook.c NULL: the client has disconnected */
	struct engine *en;
	stream_id id;
	uint32_t tag;
	bool filled; /* waits for RECEIVED */
	struct stream_stats stats;
};

static void room(struct conn_hook *h)
{
	(void)h;
}

static void receiver_gone(struct conn_hook *h)
{
	struct arriving *k = (struct arriving *)h;

	conn_remove_hook(h);
	k->hook.c = NULL;
	if (!k->filled) { /* filled() follows */
		vm_restore_cancel(k->en, k->id);
		return;
	}
	(void)vm_arrival_end(k->en, k->id, false, NULL);
	free(k);
}

static const struct conn_hook_ops receiver = {.room = room, .gone = receiver_gone};

static void reply_vm(struct conn *c, uint32_t tag, const struct vm *vm, const struct arriving *k)
{
	struct vm_info i;
	struct wire_out w;

	vm_known_info(vm, &i);
	reply_begin(c, &w, PROTO_OK, tag);
	fields_vm_info(&w, &i);
	fields_stream(&w, &k->stats);
	reply_send(c, &w);
}

static void filled(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		   const struct err *e)
{
	struct arriving *k = arg;
	struct conn *c = k->hook.c;

	(void)t;
	if (rc == 0 && c) {
		k->filled = true;
		conn_ref(c);
		reply_vm(c, k->tag, vm, k); /* may be its end, and then k's */
		conn_unref(c);
		return;
	}
	if (rc == 0) { /* its client has just disconnected */
		(void)vm_arrival_end(k->en, k->id, false, NULL);
	} else if (c) {
		conn_ref(c);
		conn_remove_hook(&k->hook);
		reply_error(c, k->tag, e);
		conn_unref(c);
	}
	free(k);
}

static void round_read(void *arg, uint32_t round)
{
	struct arriving *k = arg;
	struct conn *c = k->hook.c;
	struct wire_out w;

	if (!c)
		return;
	conn_ref(c);
	reply_begin(c, &w, PROTO_ITEM, k->tag);
	wire_u32(&w, PROTO_ROUND, round);
	reply_send(c, &w);
	conn_unref(c);
}

static int begin(struct engine *en, struct request *r, struct arriving *k, struct err *e)
{
	uint32_t asked = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	char name[VM_NAME_MAX + 1];
	struct wire_field f;
	bool named = wire_find(&r->in, PROTO_NAME, &f);
	int *file = NULL;
	int rc;

	if (named && (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)) || !name[0]))
		return err_set(e, EINVAL, "a name of 1 to %d characters is needed", VM_NAME_MAX);
	rc = request_file(r, PROTO_FILE_FD, &file, e);
	if (rc < 0)
		return rc;
	return engine_receive(en, request_take(file), named ? name : NULL,
			      restore_flags(asked) | (asked & PROTO_F_PATHS ? VM_RESTORE_PATHS : 0),
			      filled, asked & PROTO_F_LIVE ? round_read : NULL, k, &k->stats,
			      &k->id, e);
}

int op_receive(struct engine *en, struct request *r, struct err *e)
{
	struct arriving *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct arriving){.en = en, .tag = r->in.h.tag};
	conn_add_hook(r->c, &k->hook, &receiver);
	rc = begin(en, r, k, e);
	if (rc < 0) { /* else it may have been answered */
		if (k->hook.c)
			conn_remove_hook(&k->hook);
		free(k);
	}
	return rc;
}

int op_received(struct engine *en, struct request *r, struct err *e)
{
	struct conn_hook *h = r->c->hooks;
	struct arriving *k;
	struct vm *vm;
	int rc;

	while (h && (h->ops != &receiver || ((struct arriving *)h)->tag != r->in.h.tag))
		h = h->next;
	k = (struct arriving *)h;
	if (!k || !k->filled)
		return err_set(e, EPROTO, "no VM has arrived on this connection");
	conn_remove_hook(&k->hook); /* observers of the VM on the same connection are called, too */
	vm = vm_arriving(en, k->id);
	rc = vm_arrival_end(en, k->id, true, e);
	if (rc == 0) {
		log_line(LOG_INFO, "op=received dom=%u name=%s bytes=%llu us=%llu uid=%u pid=%d",
			 vm_domid(vm), vm_name(vm), (unsigned long long)k->stats.bytes,
			 (unsigned long long)k->stats.total_ns / 1000, r->c->uid, r->c->pid);
		if (!r->c->gone)
			reply_vm(r->c, r->in.h.tag, vm, k);
	}
	free(k);
	return rc;
}
