/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists that have their turn, one after the other, and those whose clients do not read. */
#include "split-toolstack/chaosd/lists.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#define AT_ONCE	  16u /* of VMs: 0.1 ms */
#define LISTS_MAX 64u /* of one connection */

static struct list *running, *waiting;
static struct ev_loop *loop;
static ev_timer turn;

static void end(struct list *t)
{
	if (t->waits)
		DL_DELETE(waiting, t);
	else
		DL_DELETE(running, t);
	t->ops->close(t);
	conn_remove_hook(&t->hook);
	conn_unref(t->c);
	free(t);
}

/* Sends one piece. The list may be freed afterwards. */
static void advance(struct list *t)
{
	struct err e = {0};
	int rc = t->c->gone ? 0 : t->ops->more(t, AT_ONCE, &e);

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

int list_new(struct request *r, const struct list_ops *ops, size_t bytes, struct list **out,
	     struct err *e)
{
	struct list *t;
	uint32_t n = 0;

	for (const struct conn_hook *h = r->c->hooks; h; h = h->next)
		n += h->ops == &hook_ops;
	if (n >= LISTS_MAX)
		return err_set(e, EBUSY, "this connection asks for %u lists already", LISTS_MAX);
	t = calloc(1, bytes);
	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	t->ops = ops;
	t->c = r->c;
	t->tag = r->in.h.tag;
	*out = t;
	return 0;
}

void list_begin(struct list *t)
{
	conn_ref(t->c);
	conn_add_hook(t->c, &t->hook, &hook_ops);
	DL_APPEND(running, t);
	advance(t);
	again();
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
