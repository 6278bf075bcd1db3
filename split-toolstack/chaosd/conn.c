/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a connection, and its output. */
#include "split-toolstack/chaosd/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "base/log.h"

/* While more than this waits for the client, nothing is read from the connection. */
#define QUEUE_STOP (256u << 10)
/* A list of all VMs must fit; with more the connection is closed. */
#define QUEUE_LIMIT (64u << 20)

/* --- life --- */

void conn_ref(struct conn *c)
{
	c->refs++;
}

void conn_unref(struct conn *c)
{
	if (--c->refs)
		return;
	free(c);
}

void conn_add_hook(struct conn *c, struct conn_hook *h, const struct conn_hook_ops *ops)
{
	h->c = c;
	h->ops = ops;
	DL_APPEND(c->hooks, h);
}

void conn_remove_hook(struct conn_hook *h)
{
	DL_DELETE(h->c->hooks, h);
}

void conn_hang_up(struct conn *c)
{
	struct conn_hook *h = NULL;
	struct conn_hook *next = NULL;

	if (c->gone)
		return;
	c->gone = true;
	ev_io_stop(c->of->loop, &c->in);
	ev_io_stop(c->of->loop, &c->out);
	(void)close(c->fd);
	while (c->queue) {
		struct out_frame *f = c->queue;

		c->queue = f->next;
		free(f);
	}
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->of->n--;
	DL_FOREACH_SAFE(c->hooks, h, next)
	{
		h->ops->gone(h);
	}
	conn_unref(c);
}

/* --- output --- */

/* 1: sent; 0: no room now. */
static int send_now(struct conn *c, const void *bytes, uint32_t len)
{
	ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void send_queued(struct conn *c)
{
	while (c->queue) {
		struct out_frame *f = c->queue;
		int rc = send_now(c, f->bytes, f->len);

		if (rc == 0)
			return;
		if (rc < 0) {
			conn_hang_up(c);
			return;
		}
		c->queue = f->next;
		if (!c->queue)
			c->queue_tail = &c->queue;
		c->queued -= f->len;
		free(f);
	}
}

static void notify_room(struct conn *c)
{
	struct conn_hook *next;

	for (struct conn_hook *h = c->hooks; h && !c->gone; h = next) {
		next = h->next;
		h->ops->room(h);
	}
}

static void on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = io->data;

	(void)revents;
	conn_ref(c);
	send_queued(c);
	if (!c->gone && !c->queue) {
		ev_io_stop(loop, &c->out);
		notify_room(c);
	}
	if (!c->gone && c->queued < QUEUE_STOP)
		ev_io_start(loop, &c->in);
	conn_unref(c);
}

struct conn *conn_new(struct conns *all, int fd,
		      void (*readable)(struct ev_loop *loop, ev_io *io, int revents), void *owner)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->of = all;
	c->owner = owner;
	c->refs = 1;
	c->fd = fd;
	c->queue_tail = &c->queue;
	c->next = all->first;
	c->prev = &all->first;
	if (c->next)
		c->next->prev = &c->next;
	all->first = c;
	all->n++;
	ev_io_init(&c->in, readable, fd, EV_READ);
	ev_io_init(&c->out, on_writable, fd, EV_WRITE);
	c->in.data = c;
	c->out.data = c;
	ev_io_start(all->loop, &c->in);
	return c;
}

/* --- answers --- */

/* The one buffer for frames. It exists longer than the server, as do ended connections:
 * operations end when the engine closes. */
static uint8_t frame[PROTO_FRAME_MAX];

void reply_begin(struct conn *c, struct wire_out *w, enum proto_op op, uint32_t tag)
{
	(void)c;
	wire_begin(w, frame, sizeof(frame), op, tag);
}

static void queue(struct conn *c, const struct wire_out *w, uint32_t len)
{
	struct out_frame *f = c->queued + len > QUEUE_LIMIT ? NULL : malloc(sizeof(*f) + len);

	if (!f) {
		conn_hang_up(c);
		return;
	}
	f->next = NULL;
	f->len = len;
	memcpy(f->bytes, w->buf, len);
	*c->queue_tail = f;
	c->queue_tail = &f->next;
	c->queued += len;
	ev_io_start(c->of->loop, &c->out);
	if (c->queued >= QUEUE_STOP)
		ev_io_stop(c->of->loop, &c->in);
}

void reply_send(struct conn *c, struct wire_out *w)
{
	uint32_t len = wire_end(w);

	if (c->gone)
		return;
	if (len == 0) {
		log_line(LOG_ERROR, "client pid=%d: an answer did not fit a frame", c->pid);
		conn_hang_up(c);
		return;
	}
	if (!c->queue) {
		int rc = send_now(c, w->buf, len);

		if (rc < 0)
			conn_hang_up(c);
		if (rc != 0)
			return;
	}
	queue(c, w, len);
}

void reply_ok(struct conn *c, uint32_t tag)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_OK, tag);
	reply_send(c, &w);
}

void reply_error(struct conn *c, uint32_t tag, const struct err *e)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_ERROR, tag);
	wire_u32(&w, PROTO_CODE, (uint32_t)(e->code ? e->code : EIO));
	wire_text(&w, PROTO_TEXT, err_msg(e));
	reply_send(c, &w);
}
