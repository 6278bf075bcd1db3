/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of all VMs: one piece in each turn of the loop, so that other requests wait for a
 * piece and not for the whole list; and only as much as the client reads. */
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"

#define AT_ONCE	  16u /* VMs: 0.1 ms */
#define LISTS_MAX 64u /* of one connection */

struct list {
	struct conn_hook hook;
	struct list *prev, *next; /* list of those that have their turn, or of those that wait */
	struct conn *c;
	uint32_t tag;
	bool waits; /* for its client */
	struct listing *l;
};

static struct list *running, *waiting;
static struct ev_loop *loop;
static ev_timer turn;

static void send_vm(const struct vm_info *i, void *arg)
{
	const struct list *t = arg;
	struct wire_out w;

	reply_begin(t->c, &w, PROTO_ITEM, t->tag);
	fields_vm_info(&w, i);
	reply_send(t->c, &w);
}

static void send_foreign(const struct xen_domain_info *d, const char *name, void *arg)
{
	const struct list *t = arg;
	struct wire_out w;

	reply_begin(t->c, &w, PROTO_ITEM, t->tag);
	fields_foreign(&w, d, name);
	reply_send(t->c, &w);
}

static void end(struct list *t)
{
	if (t->waits)
		DL_DELETE(waiting, t);
	else
		DL_DELETE(running, t);
	listing_close(t->l);
	conn_remove_hook(&t->hook);
	conn_unref(t->c);
	free(t);
}

/* Sends one piece. The list may be freed afterwards. */
static void advance(struct list *t)
{
	struct err e = {0};
	int rc = t->c->gone ? 0 : listing_more(t->l, AT_ONCE, send_vm, send_foreign, t, &e);

	if (rc < 0)
		reply_error(t->c, t->tag, &e);
	else if (rc == 0)
		reply_ok(t->c, t->tag);
	if (rc <= 0 || t->c->gone) {
		end(t);
		return;
	}
	DL_DELETE(running, t);
	t->waits = t->c->queue != NULL;
	if (t->waits)
		DL_APPEND(waiting, t);
	else
		DL_APPEND(running, t);
}

static void again(void)
{
	if (!running || ev_is_active(&turn))
		return;
	ev_timer_set(&turn, 0., 0.);
	ev_timer_start(loop, &turn);
}

static void on_turn(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)l;
	(void)t;
	(void)revents;
	if (running)
		advance(running);
	again();
}

/* Its connection has room again, or has ended: it gets its turn. */
static void continue_list(struct conn_hook *h)
{
	struct list *t = (struct list *)h;

	if (!t->waits)
		return;
	DL_DELETE(waiting, t);
	t->waits = false;
	DL_APPEND(running, t);
	again();
}

static const struct conn_hook_ops hook_ops = {.room = continue_list, .gone = continue_list};

int op_list(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	struct list *t;
	uint32_t n = 0;
	int rc;

	for (const struct conn_hook *h = r->c->hooks; h; h = h->next)
		n += h->ops == &hook_ops;
	if (n >= LISTS_MAX)
		return err_set(e, EBUSY, "this connection asks for %u lists already", LISTS_MAX);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	rc = listing_open(en, flags & PROTO_F_ALL, flags & PROTO_F_FOREIGN, &t->l, e);
	if (rc < 0) {
		free(t);
		return rc;
	}
	t->c = r->c;
	t->tag = r->in.h.tag;
	conn_ref(t->c);
	conn_add_hook(t->c, &t->hook, &hook_ops);
	DL_APPEND(running, t);
	advance(t);
	again();
	return 0;
}

void lists_open(struct ev_loop *l)
{
	loop = l;
	ev_init(&turn, on_turn);
}

void lists_close(void)
{
	while (waiting)
		end(waiting);
	while (running)
		end(running);
	if (loop)
		ev_timer_stop(loop, &turn);
}
