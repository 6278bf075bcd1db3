/* SPDX-License-Identifier: BSD-3-Clause */
/* wait and console: answers that continue until something happens to a VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/chaosd/stream.h"

#define CHUNK	      16384u
#define CHANNEL_CHUNK 2048u /* the ring is no larger */
#define AT_ONCE	      16u   /* of these, in a turn of the loop */
#define BUCKETS	      1024u

/* Waits and consoles by VM, so that an event of one VM does not concern the clients of others. */
static struct stream *by_vm[BUCKETS];

static struct stream **bucket(const uint8_t uuid[16])
{
	uint32_t h = 0;

	for (int i = 0; i < 16; i++)
		h = h * 31 + uuid[i];
	return &by_vm[h % BUCKETS];
}

static struct engine *engine;
static struct engine_observer observer;

/* Consoles and channels that have more for a client that reads: one has its turn in each of the
 * loop. */
static struct stream *running;
static struct ev_loop *loop;
static ev_timer turn;

static void unlist(struct stream *st)
{
	DL_DELETE2(*bucket(st->uuid), st, peer_prev, peer_next);
}

static void unlist_runner(struct stream *st)
{
	if (st->runs)
		DL_DELETE2(running, st, turn_prev, turn_next);
	unlist(st);
}

static void next_turn(void)
{
	if (!running || ev_is_active(&turn))
		return;
	ev_timer_set(&turn, 0., 0.);
	ev_timer_start(loop, &turn);
}

static void wait_turn(struct stream *st)
{
	st->runs = true;
	DL_APPEND2(running, st, turn_prev, turn_next);
	next_turn();
}

static void finish(struct stream *st, struct vm *vm)
{
	struct conn *c = st->c;
	uint32_t tag = st->tag;
	struct wire_out w;

	stream_end(st);
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

/* Sends what the log has and the client reads. False: the stream has ended and is freed. The
 * caller holds a reference to the connection: if sending fails, the streams of the connection
 * are freed. */
static bool pump(struct stream *st, struct vm *vm)
{
	struct conn *c = st->c;
	struct vm_console_range range;
	uint8_t buf[CHUNK];
	uint32_t sent = 0;

	if (st->runs)
		return true; /* in its turn */
	vm_console_range(vm, &range);
	while (!c->gone && !c->queue && st->pos < range.end && sent++ < AT_ONCE) {
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
	if (!c->queue && st->pos < range.end)
		wait_turn(st);
	return true;
}

static void console_room(struct stream *st)
{
	struct vm *vm = engine_find_uuid(engine, st->uuid);

	if (vm)
		(void)pump(st, vm);
}

/* The same for the channel of its agent: bytes that the client does not read stay in the guest. A
 * read lets the guest write again, on another CPU: what is there does not end while it does. */
static void pump_channel(struct stream *st, struct vm *vm)
{
	struct conn *c = st->c;
	uint8_t buf[CHANNEL_CHUNK];
	struct wire_out w;
	uint32_t epoch = 0;
	uint32_t sent = 0;
	int n = 1;

	if (st->runs)
		return; /* in its turn */
	(void)vm_channel_epoch(vm, &epoch, NULL);
	if (st->pos != epoch) {
		st->pos = epoch;
		reply_begin(c, &w, PROTO_ITEM, st->tag);
		wire_u64(&w, PROTO_LOST, 1);
		reply_send(c, &w);
	}
	while (!c->gone && !c->queue && sent++ < AT_ONCE &&
	       (n = vm_channel_read(vm, buf, sizeof(buf))) > 0) {
		reply_begin(c, &w, PROTO_ITEM, st->tag);
		wire_bytes(&w, PROTO_DATA, buf, (uint32_t)n);
		reply_send(c, &w);
	}
	if (c->gone)
		return;
	if (n == 0 && is_over(vm)) {
		finish(st, vm);
	} else if (sent > AT_ONCE) {
		wait_turn(st);
	}
}

static void channel_room(struct stream *st)
{
	struct vm *vm = engine_find_uuid(engine, st->uuid);

	if (vm)
		pump_channel(st, vm);
}

static void on_turn(struct ev_loop *l, ev_timer *t, int revents)
{
	struct stream *st = running;
	struct conn *c = st ? st->c : NULL;

	(void)l;
	(void)t;
	(void)revents;
	if (!st)
		return;
	DL_DELETE2(running, st, turn_prev, turn_next);
	st->runs = false;
	conn_ref(c);
	st->ops->room(st);
	conn_unref(c);
	next_turn();
}

static const struct stream_ops console_ops = {.room = console_room, .end = unlist_runner};
static const struct stream_ops channel_ops = {.room = channel_room, .end = unlist_runner};
static const struct stream_ops wait_ops = {.end = unlist};

static bool satisfied(const struct stream *st, struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	if ((st->flags & PROTO_F_READY) && i.ready)
		return true;
	return is_over(vm);
}

/* A VM has changed: handles a stream that waits for it. */
static void advance(struct stream *st, enum vm_event ev, struct vm *vm)
{
	struct conn *c = st->c;

	conn_ref(c);
	if (ev == VM_EV_REMOVED) {
		struct err e = {0};
		uint32_t tag = st->tag;

		stream_end(st);
		(void)err_set(&e, ESRCH, "the VM was removed");
		reply_error(c, tag, &e);
	} else if (st->ops == &console_ops) {
		(void)pump(st, vm);
	} else if (st->ops == &channel_ops) {
		pump_channel(st, vm);
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
	/* If a connection breaks, all of its streams are freed: then the walk begins again, once
	 * for each. */
	for (st = *head; st;) {
		struct conn *c = st->c;
		struct stream *next = st->peer_next;

		/* a connection that is being closed frees its streams itself */
		if (c->gone || memcmp(st->uuid, uuid, sizeof(uuid)) != 0) {
			st = next;
			continue;
		}
		conn_ref(c);
		advance(st, ev, vm);
		st = c->gone ? *head : next;
		conn_unref(c);
	}
}

void streams_open(struct engine *en, struct ev_loop *l)
{
	engine = en;
	loop = l;
	ev_init(&turn, on_turn);
	observer.fn = on_event;
	engine_observe(en, &observer);
}

void streams_close(void)
{
	engine_unobserve(&observer);
	if (loop)
		ev_timer_stop(loop, &turn);
}

/* One of a VM. */
static int add_stream(struct request *r, struct vm *vm, const struct stream_ops *ops,
		      struct stream **out, struct err *e)
{
	int rc = stream_new(r, ops, out, e);

	if (rc < 0)
		return rc;
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
		rc = add_stream(r, vm, &wait_ops, &st, e);
	if (rc == 0 && satisfied(st, vm))
		finish(st, vm);
	return rc;
}

/* Many clients may read a console, one writes: lines of two would be mixed. */
static bool has_writer(struct vm *vm, const struct stream_ops *ops)
{
	uint8_t uuid[16];

	vm_uuid(vm, uuid);
	for (const struct stream *st = *bucket(uuid); st; st = st->peer_next)
		if (st->ops == ops && (st->flags & PROTO_F_INPUT) &&
		    memcmp(st->uuid, uuid, sizeof(uuid)) == 0)
			return true;
	return false;
}

static void send_watching(struct conn *c, uint32_t tag)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_ITEM, tag);
	wire_text(&w, PROTO_WARNING,
		  "another client writes to this console: this one only watches");
	reply_send(c, &w);
}

static int open_channel(struct request *r, struct vm *vm, struct err *e)
{
	struct stream *st = NULL;
	uint32_t epoch;
	int rc = vm_channel_epoch(vm, &epoch, e);

	if (rc == 0 && has_writer(vm, &channel_ops))
		rc = err_set(e, EBUSY, "another client uses the channel of \"%s\"", vm_name(vm));
	if (rc == 0)
		rc = add_stream(r, vm, &channel_ops, &st, e);
	if (rc < 0 || !st)
		return rc;
	st->flags |= PROTO_F_INPUT;
	pump_channel(st, vm);
	return 0;
}

int op_console(struct engine *en, struct request *r, struct err *e)
{
	bool taken;
	struct vm_console_range range;
	struct stream *st = NULL;
	struct vm *vm = NULL;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0 && (wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_AGENT))
		return open_channel(r, vm, e);
	taken = rc == 0 && has_writer(vm, &console_ops);
	if (rc == 0)
		rc = add_stream(r, vm, &console_ops, &st, e);
	if (rc < 0 || !st)
		return rc;
	if (vm_state(vm) == VM_ASLEEP) { /* all bytes were sent, and no more will come */
		st->flags |= PROTO_F_LOG;
		st->flags &= ~(PROTO_F_FOLLOW | PROTO_F_INPUT);
	}
	vm_console_range(vm, &range);
	st->pos = st->flags & PROTO_F_LOG ? range.start : range.end;
	if (taken && (st->flags & PROTO_F_INPUT)) {
		st->flags &= ~PROTO_F_INPUT;
		conn_ref(r->c);
		send_watching(r->c, st->tag);
		taken = r->c->gone;
		conn_unref(r->c);
		if (taken)
			return 0;
	}
	(void)pump(st, vm);
	return 0;
}

/* --- input --- */

/* Input has no answer. Bytes without room in the guest are queued (64 KiB), then dropped with a
 * message. */
int op_input(struct engine *en, struct request *r, struct err *e)
{
	struct stream *st = stream_of(r, &console_ops, PROTO_F_INPUT);
	struct stream *channel = stream_of(r, &channel_ops, PROTO_F_INPUT);
	struct wire_field f;
	struct vm *vm;
	int n;

	st = st ? st : channel;
	if (!st || !wire_find(&r->in, PROTO_DATA, &f))
		return 0; /* the VM ended meanwhile */
	vm = engine_find_uuid(en, st->uuid);
	if (!vm)
		return 0;
	n = st == channel ? vm_channel_write(vm, f.data, f.len, e)
			  : vm_console_write(vm, f.data, f.len, e);
	if (n >= 0 && (uint32_t)n < f.len)
		log_line(LOG_WARN,
			 "op=console name=%s: the guest does not read; %u bytes of input dropped",
			 vm_name(vm), f.len - (uint32_t)n);
	return 0;
}
