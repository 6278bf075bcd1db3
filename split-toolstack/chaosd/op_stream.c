/* SPDX-License-Identifier: BSD-3-Clause */
/* wait and console: answers that come when something happens to a VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/stream.h"

#define CHUNK	16384u
#define BUCKETS 1024u

/* Waits and consoles by their VM: what happens to one VM is no matter of the others' clients. */
static struct stream *by_vm[BUCKETS];

static struct stream **bucket(const uint8_t uuid[16])
{
	uint32_t h = 0;

	for (int i = 0; i < 16; i++)
		h = h * 31 + uuid[i];
	return &by_vm[h % BUCKETS];
}

static struct engine_observer observer;

static void end_stream(struct stream *st)
{
	struct stream **at = &st->c->streams;

	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	if (st->events)
		subscription_end(st);
	else
		DL_DELETE2(*bucket(st->uuid), st, peer_prev, peer_next);
	free(st);
}

static void finish(struct stream *st, struct vm *vm)
{
	struct conn *c = st->c;
	uint32_t tag = st->tag;
	struct wire_out w;

	end_stream(st);
	reply_begin(c, &w, PROTO_OK, tag);
	fields_vm(&w, vm);
	reply_send(c, &w);
}

static bool is_over(struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	return i.state == VM_ENDED || i.state == VM_ENDED_PRESERVED;
}

/* Sends what the log has and the client takes. False: the stream is over and gone. The caller holds
 * a reference to the connection, whose streams go with it when sending fails. */
static bool pump(struct stream *st, struct vm *vm)
{
	struct conn *c = st->c;
	struct vm_console_range range;
	uint8_t buf[CHUNK];

	vm_console_range(vm, &range);
	while (!c->gone && !c->queue && st->pos < range.end) {
		struct wire_out w;
		int n;

		reply_begin(c, &w, PROTO_ITEM, st->tag);
		if (st->pos < range.start) {
			wire_u64(&w, PROTO_LOST, range.start - st->pos);
			st->pos = range.start;
		}
		n = vm_console_read(vm, st->pos, buf, sizeof(buf), NULL);
		if (n <= 0) { /* cannot be read: that is all there is */
			st->pos = range.end;
			break;
		}
		wire_bytes(&w, PROTO_DATA, buf, (uint32_t)n);
		st->pos += (uint64_t)n;
		reply_send(c, &w);
	}
	if (c->gone)
		return false;
	if (st->pos >= range.end && (!(st->flags & PROTO_F_FOLLOW) || is_over(vm))) {
		finish(st, vm);
		return false;
	}
	return true;
}

static bool satisfied(const struct stream *st, struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	if ((st->flags & PROTO_F_READY) && i.ready)
		return true;
	return is_over(vm);
}

/* A VM changed: tell one that waits for it. */
static void advance(struct stream *st, enum vm_event ev, struct vm *vm)
{
	struct conn *c = st->c;

	conn_ref(c);
	if (ev == VM_EV_REMOVED) {
		struct err e = {0};
		uint32_t tag = st->tag;

		end_stream(st);
		(void)err_set(&e, ESRCH, "the VM was removed");
		reply_error(c, tag, &e);
	} else if (st->console) {
		(void)pump(st, vm);
	} else if (satisfied(st, vm)) {
		finish(st, vm);
	}
	conn_unref(c);
}

static void on_event(struct engine_observer *ob, enum vm_event ev, struct vm *vm,
		     const struct pool_flavor *f)
{
	uint8_t uuid[16];
	struct stream *st;
	struct stream **head;

	(void)ob;
	(void)f;
	if (!vm)
		return;
	vm_uuid(vm, uuid);
	head = bucket(uuid);
	/* A connection that breaks takes its streams with it, whichever they are: from the start
	 * then, as often as there are such. */
	for (st = *head; st;) {
		struct conn *c = st->c;
		struct stream *next = st->peer_next;

		if (memcmp(st->uuid, uuid, sizeof(uuid)) != 0) {
			st = next;
			continue;
		}
		conn_ref(c);
		advance(st, ev, vm);
		st = c->gone ? *head : next;
		conn_unref(c);
	}
}

int streams_open(struct engine *en, struct ev_loop *loop, struct server *s, struct err *e)
{
	int rc = subscriptions_open(en, loop, s, e);

	if (rc < 0)
		return rc;
	observer.fn = on_event;
	engine_observe(en, &observer);
	return 0;
}

void streams_close(void)
{
	engine_unobserve(&observer);
	subscriptions_close();
}

void streams_end(struct conn *c)
{
	while (c->streams)
		end_stream(c->streams);
}

void streams_pump(struct conn *c)
{
	struct stream *next;

	for (struct stream *st = c->streams; st && !c->gone && !c->queue; st = next) {
		struct vm *vm =
			st->console ? engine_find_uuid(server_engine(c->s), st->uuid) : NULL;

		next = st->next;
		if (st->events)
			subscription_pump(st);
		else if (vm)
			(void)pump(st, vm);
	}
}

int stream_new(struct request *r, struct stream **out, struct err *e)
{
	struct stream *st;
	uint32_t n = 0;

	for (st = r->c->streams; st; st = st->next)
		n++;
	if (n >= STREAMS_MAX)
		return err_set(e, EBUSY,
			       "at most %u waits, consoles and subscriptions a connection",
			       STREAMS_MAX);
	st = calloc(1, sizeof(*st));
	if (!st)
		return err_set(e, ENOMEM, "out of memory");
	st->c = r->c;
	st->tag = r->in.h.tag;
	st->flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	st->next = r->c->streams;
	r->c->streams = st;
	*out = st;
	return 0;
}

/* One of a VM. */
static int add_stream(struct request *r, struct vm *vm, bool console, struct stream **out,
		      struct err *e)
{
	int rc = stream_new(r, out, e);

	if (rc < 0)
		return rc;
	(*out)->console = console;
	vm_uuid(vm, (*out)->uuid);
	DL_APPEND2(*bucket((*out)->uuid), *out, peer_prev, peer_next);
	return 0;
}

int op_wait(struct engine *en, struct request *r, struct err *e)
{
	struct stream *st = NULL;
	struct vm *vm = NULL;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = add_stream(r, vm, false, &st, e);
	if (rc == 0 && satisfied(st, vm))
		finish(st, vm);
	return rc;
}

/* Many may watch a console, one writes: two would only mix their lines. */
static bool has_writer(struct vm *vm)
{
	uint8_t uuid[16];

	vm_uuid(vm, uuid);
	for (const struct stream *st = *bucket(uuid); st; st = st->peer_next)
		if (st->console && (st->flags & PROTO_F_INPUT) &&
		    memcmp(st->uuid, uuid, sizeof(uuid)) == 0)
			return true;
	return false;
}

static void say_watching(struct conn *c, uint32_t tag)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_ITEM, tag);
	wire_text(&w, PROTO_WARNING,
		  "another client writes to this console: this one only watches");
	reply_send(c, &w);
}

int op_console(struct engine *en, struct request *r, struct err *e)
{
	bool taken;
	struct vm_console_range range;
	struct stream *st = NULL;
	struct vm *vm = NULL;
	int rc = request_vm(en, r, &vm, e);

	taken = rc == 0 && has_writer(vm);
	if (rc == 0)
		rc = add_stream(r, vm, true, &st, e);
	if (rc < 0 || !st)
		return rc;
	vm_console_range(vm, &range);
	st->pos = st->flags & PROTO_F_LOG ? range.start : range.end;
	if (taken && (st->flags & PROTO_F_INPUT)) {
		st->flags &= ~PROTO_F_INPUT;
		conn_ref(r->c);
		say_watching(r->c, st->tag);
		taken = r->c->gone;
		conn_unref(r->c);
		if (taken)
			return 0;
	}
	(void)pump(st, vm);
	return 0;
}

/* --- input --- */

static struct stream *input_stream(const struct request *r)
{
	for (struct stream *st = r->c->streams; st; st = st->next)
		if (st->console && st->tag == r->in.h.tag && (st->flags & PROTO_F_INPUT))
			return st;
	return NULL;
}

/* Input has no answer; what the guest has no room for is dropped only after its queue (64 KiB) and
 * is then told. */
int op_input(struct engine *en, struct request *r, struct err *e)
{
	struct stream *st = input_stream(r);
	struct wire_field f;
	struct vm *vm;
	int n;

	if (!st || !wire_find(&r->in, PROTO_DATA, &f))
		return 0; /* the VM ended while it was typed */
	vm = engine_find_uuid(en, st->uuid);
	if (!vm)
		return 0;
	n = vm_console_write(vm, f.data, f.len, e);
	if (n >= 0 && (uint32_t)n < f.len)
		log_line(LOG_WARN,
			 "op=console name=%s: the guest does not read; %u bytes of input dropped",
			 vm_name(vm), f.len - (uint32_t)n);
	return 0;
}
