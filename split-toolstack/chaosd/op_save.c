/* SPDX-License-Identifier: BSD-3-Clause */
/* save and restore: open files of clients, and answers when threads are done with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "libdom/live.h"
#include "split-toolstack/engine/life/save.h"

/* --- save --- */

/* Exists longer than the request: until the VM has ended or continues. */
struct saving {
	struct conn_hook hook; /* hook.c NULL: the client has disconnected */
	struct engine *en;
	stream_id id;
	uint32_t tag, flags;
	bool begun;   /* the engine's call that starts it has returned */
	bool written; /* written, without KEEP: waits for the client's SAVED */
	char vm[VM_NAME_MAX + 1];
};

/* Ends it; returns the connection, with a reference, for the last answer; NULL: it has ended. */
static struct conn *end_saving(struct saving *k)
{
	struct conn *c = k->hook.c;

	if (c) {
		conn_ref(c);
		conn_remove_hook(&k->hook);
	}
	free(k);
	return c;
}

/* Lets the VM continue. If it was not written yet, the engine calls back during this, which
 * frees `k`. */
static void cancel_save(struct saving *k)
{
	bool written = k->written;

	(void)vm_save_end(k->en, k->id, false, NULL);
	if (written)
		free(k);
}

static void saver_gone(struct conn_hook *h)
{
	struct saving *k = (struct saving *)h;

	conn_remove_hook(h);
	k->hook.c = NULL;
	if (k->begun)
		cancel_save(k);
}

static void room(struct conn_hook *h)
{
	(void)h;
}

static const struct conn_hook_ops saver = {.room = room, .gone = saver_gone};

static void log_saved(const struct saving *k, const struct stream_stats *s)
{
	log_line(LOG_INFO, "op=save name=%s bytes=%llu pages=%llu/%llu stopped_us=%llu us=%llu",
		 k->vm, (unsigned long long)s->bytes, (unsigned long long)s->present,
		 (unsigned long long)s->pages, (unsigned long long)s->stopped_ns / 1000,
		 (unsigned long long)s->total_ns / 1000);
}

static void written(void *arg, int rc, const struct stream_stats *s, const struct err *e)
{
	struct saving *k = arg;
	uint32_t tag = k->tag;
	struct conn *c = k->hook.c;
	struct wire_out w;

	if (rc == 0)
		log_saved(k, s);
	if (rc == 0 && c && !(k->flags & PROTO_F_KEEP)) {
		k->written = true;
		conn_ref(c);
		reply_begin(c, &w, PROTO_ITEM, tag);
		fields_stream(&w, s);
		reply_send(c, &w); /* may be its end, and then k's */
		conn_unref(c);
		return;
	}
	if (c) {
		reply_begin(c, &w, PROTO_OK, tag);
		wire_text(&w, PROTO_NAME, k->vm);
	}
	c = end_saving(k);
	if (c && rc < 0) {
		reply_error(c, tag, e);
	} else if (c) {
		fields_stream(&w, s);
		reply_send(c, &w);
	}
	if (c)
		conn_unref(c);
}

/* The VM runs; waits for a ROUND. */
static void round_over(void *arg, const struct live_round *round)
{
	struct saving *k = arg;
	struct conn *c = k->hook.c;
	struct wire_out w;

	log_line(LOG_INFO, "op=round name=%s number=%u pages=%llu bytes=%llu us=%llu", k->vm,
		 round->number, (unsigned long long)round->pages, (unsigned long long)round->bytes,
		 (unsigned long long)round->ns / 1000);
	if (!c)
		return;
	conn_ref(c);
	reply_begin(c, &w, PROTO_ITEM, k->tag);
	wire_u32(&w, PROTO_ROUND, round->number);
	wire_u64(&w, PROTO_PRESENT, round->pages);
	wire_u64(&w, PROTO_BYTES, round->bytes);
	reply_send(c, &w); /* may be its end, and then k's */
	conn_unref(c);
}

int op_save(struct engine *en, struct request *r, struct err *e)
{
	struct saving *k;
	struct vm *vm;
	int *file = NULL;
	int fd;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = request_file(r, PROTO_FILE_FD, &file, e);
	if (rc < 0)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	fd = request_take(file);
	*k = (struct saving){
		.en = en, .tag = r->in.h.tag, .flags = wire_get_u32(&r->in, PROTO_FLAGS, 0)};
	(void)snprintf(k->vm, sizeof(k->vm), "%s", vm_name(vm));
	conn_add_hook(r->c, &k->hook, &saver);
	if (k->flags & PROTO_F_LIVE)
		rc = vm_save_live(vm, fd, written, round_over, k, &k->id, e);
	else
		rc = vm_save(vm, fd, k->flags & PROTO_F_KEEP ? VM_SAVE_KEEP : 0, written, k, &k->id,
			     e);
	if (rc < 0) {
		if (k->hook.c)
			conn_remove_hook(&k->hook);
		free(k);
		return rc;
	}
	k->begun = true;
	if (!k->hook.c)
		cancel_save(k);
	return 0;
}

/* The save with the tag of the request, or NULL. */
static struct saving *find(const struct request *r)
{
	struct conn_hook *h = r->c->hooks;

	while (h && (h->ops != &saver || ((struct saving *)h)->tag != r->in.h.tag))
		h = h->next;
	return (struct saving *)h;
}

int op_round(struct engine *en, struct request *r, struct err *e)
{
	struct saving *k = find(r);

	return k ? vm_save_round(en, k->id, e)
		 : err_set(e, EPROTO, "no VM of this connection is being moved");
}

/* NULL: no save with this tag is complete. */
static struct saving *find_written(const struct request *r, struct err *e)
{
	struct saving *k = find(r);

	if (k && k->written)
		return k;
	(void)err_set(e, EPROTO, "no save of this connection has been written");
	return NULL;
}

int op_move(struct engine *en, struct request *r, struct err *e)
{
	struct saving *k = find_written(r, e);
	struct wire_out w;
	int rc;

	if (!k)
		return -EPROTO;
	rc = vm_save_move(en, k->id, e);
	if (rc < 0) /* the VM stays stopped: its client may disconnect, or report that the file is
		       safe */
		return rc;
	log_line(LOG_INFO, "op=move name=%s uid=%u pid=%d", k->vm, r->c->uid, r->c->pid);
	conn_remove_hook(&k->hook);
	reply_begin(r->c, &w, PROTO_OK, k->tag);
	wire_text(&w, PROTO_NAME, k->vm);
	reply_send(r->c, &w);
	free(k);
	return 0;
}

int op_saved(struct engine *en, struct request *r, struct err *e)
{
	uint32_t tag = r->in.h.tag;
	struct saving *k = find_written(r, e);
	struct wire_out w;
	int rc;

	if (!k)
		return -EPROTO;
	/* the end of the VM is reported to other streams of the connection, which may end the
	 * connection */
	conn_remove_hook(&k->hook);
	rc = vm_save_end(en, k->id, true, e);
	if (rc == 0)
		log_line(LOG_INFO, "op=saved name=%s uid=%u pid=%d", k->vm, r->c->uid, r->c->pid);
	if (rc == 0 && !r->c->gone) {
		reply_begin(r->c, &w, PROTO_OK, tag);
		wire_text(&w, PROTO_NAME, k->vm);
		reply_send(r->c, &w);
	}
	free(k);
	return rc;
}

/* --- restore --- */

struct restoring {
	struct conn_hook hook; /* hook.c NULL: the client has disconnected */
	struct engine *en;
	stream_id id;
	uint32_t tag;
	struct stream_stats stats;
};

static void restorer_gone(struct conn_hook *h)
{
	struct restoring *k = (struct restoring *)h;

	conn_remove_hook(h);
	k->hook.c = NULL;
	vm_restore_cancel(k->en, k->id);
}

static const struct conn_hook_ops restorer = {.room = room, .gone = restorer_gone};

static void restored(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		     const struct err *e)
{
	struct restoring *k = arg;
	struct restoring was = *k;
	struct conn *c = k->hook.c;
	struct vm_info i;
	struct wire_out w;

	if (c) {
		conn_ref(c);
		conn_remove_hook(&k->hook);
	}
	free(k);
	if (rc == 0)
		log_line(LOG_INFO, "op=restore dom=%u name=%s way=%s bytes=%llu us=%llu",
			 vm_domid(vm), vm_name(vm), vm_way_name(t->way),
			 (unsigned long long)was.stats.bytes,
			 (unsigned long long)was.stats.total_ns / 1000);
	if (c && rc < 0) {
		reply_error(c, was.tag, e);
	} else if (c) {
		vm_known_info(vm, &i);
		reply_begin(c, &w, PROTO_OK, was.tag);
		fields_vm_info(&w, &i);
		wire_text(&w, PROTO_WAY, vm_way_name(t->way));
		fields_stream(&w, &was.stats);
		reply_send(c, &w);
	}
	if (c)
		conn_unref(c);
}

uint32_t restore_flags(uint32_t flags)
{
	return (flags & PROTO_F_PAUSED ? VM_CREATE_PAUSED : 0) |
	       (flags & PROTO_F_READY ? VM_CREATE_WAIT_READY : 0) |
	       (flags & PROTO_F_DISKS_KEEP ? VM_RESTORE_DISKS_KEEP : 0) |
	       (flags & PROTO_F_DISKS_READONLY ? VM_RESTORE_DISKS_READONLY : 0) |
	       (flags & PROTO_F_DISKS_NONE ? VM_RESTORE_DISKS_NONE : 0) |
	       (flags & PROTO_F_DISKS_COPY ? VM_RESTORE_DISKS_COPY : 0);
}

int op_restore(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	char name[VM_NAME_MAX + 1];
	struct wire_field f;
	struct restoring *k;
	bool named = wire_find(&r->in, PROTO_NAME, &f);
	int *file = NULL;
	int rc;

	if (named && (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)) || !name[0]))
		return err_set(e, EINVAL, "restore: a name of 1 to %d characters is needed",
			       VM_NAME_MAX);
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = (struct restoring){.en = en, .tag = r->in.h.tag};
	rc = request_file(r, PROTO_FILE_FD, &file, e);
	if (rc < 0) {
		free(k);
		return rc;
	}
	conn_add_hook(r->c, &k->hook, &restorer);
	rc = engine_restore(en, request_take(file), named ? name : NULL, restore_flags(flags),
			    restored, k, &k->stats, &k->id, e);
	if (rc < 0) { /* else it may have answered */
		if (k->hook.c)
			conn_remove_hook(&k->hook);
		free(k);
	}
	return rc;
}
