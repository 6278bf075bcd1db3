/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams of a connection: freed with it, and continued when it has room. */
#include "split-toolstack/chaosd/stream.h"

#include <errno.h>
#include <stdlib.h>

static void room(struct conn_hook *h)
{
	struct stream *st = (struct stream *)h;

	if (st->ops->room && !st->c->queue) /* one before it may have filled it */
		st->ops->room(st);
}

static void gone(struct conn_hook *h)
{
	stream_end((struct stream *)h);
}

static const struct conn_hook_ops hook_ops = {.room = room, .gone = gone};

int stream_new(struct request *r, const struct stream_ops *ops, struct stream **out, struct err *e)
{
	struct stream *st;
	uint32_t n = 0;

	for (const struct conn_hook *h = r->c->hooks; h; h = h->next)
		n += h->ops == &hook_ops;
	if (n >= STREAMS_MAX)
		return err_set(e, EBUSY,
			       "at most %u waits, consoles and subscriptions a connection",
			       STREAMS_MAX);
	st = calloc(1, sizeof(*st));
	if (!st)
		return err_set(e, ENOMEM, "out of memory");
	st->ops = ops;
	st->c = r->c;
	st->tag = r->in.h.tag;
	st->flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	conn_add_hook(r->c, &st->hook, &hook_ops);
	*out = st;
	return 0;
}

void stream_end(struct stream *st)
{
	conn_remove_hook(&st->hook);
	st->ops->end(st);
	free(st);
}

struct stream *stream_of(const struct request *r, const struct stream_ops *ops, uint32_t flags)
{
	struct stream *found = NULL;

	for (struct conn_hook *h = r->c->hooks; h; h = h->next) {
		struct stream *st = (struct stream *)h;

		if (h->ops == &hook_ops && st->ops == ops && st->tag == r->in.h.tag &&
		    (st->flags & flags) == flags)
			found = st;
	}
	return found;
}
