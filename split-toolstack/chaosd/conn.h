/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of clients: what is sent, what waits to be sent, and the hooks that their end calls.
 */
#ifndef CHAOS_CONN_H
#define CHAOS_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

/* One frame that waits for room in the socket. */
struct out_frame {
	struct out_frame *next;
	uint32_t len;
	uint8_t bytes[];
};

struct conn;
struct conn_hook;

struct conn_hook_ops {
	/* All that waited has been sent. May unhook this hook alone, and may end the connection. */
	void (*room)(struct conn_hook *h);
	/* The connection is over: nothing can be sent. May unhook this hook alone. What happens to
	 * VMs by it is told to other connections alone: hooks of one that is gone are passed over.
	 */
	void (*gone)(struct conn_hook *h);
};

/* Of an answer without an end for now; the first member of its owner's struct. */
struct conn_hook {
	struct conn_hook *prev, *next; /* of its connection */
	const struct conn_hook_ops *ops;
	struct conn *c;
};

/* All connections. */
struct conns {
	struct ev_loop *loop;
	struct conn *first;
	uint32_t n;
	ev_tstamp last_request; /* when the loop last had one, by ev_now() */
};

/* A connection. Long operations (create, list, image import) hold a reference; `gone` says that
 * no answer can be sent any more. */
struct conn {
	struct conns *of;
	struct conn *next, **prev;
	uint32_t refs;
	bool gone;
	int fd;
	ev_io in, out;
	struct out_frame *queue, **queue_tail;
	uint32_t queued; /* bytes */
	pid_t pid;
	uid_t uid;
	struct conn_hook *hooks; /* utlist */
	void *owner;		 /* for `readable` */
};

/* Takes the socket; `readable` is called when there is something to read. NULL: no memory, and the
 * socket stays the caller's. */
struct conn *conn_new(struct conns *all, int fd,
		      void (*readable)(struct ev_loop *loop, ev_io *io, int revents), void *owner);
void conn_ref(struct conn *c);
void conn_unref(struct conn *c);
/* Of an answer that an engine's call begins: hooked before that call, in which the connection may
 * end already. */
void conn_add_hook(struct conn *c, struct conn_hook *h, const struct conn_hook_ops *ops);
void conn_remove_hook(struct conn_hook *h);
/* Closes it and tells its hooks; without a reference of the caller's it is freed. */
void conn_hang_up(struct conn *c);

/* Starts an answer in the one buffer. */
void reply_begin(struct conn *c, struct wire_out *w, enum proto_op op, uint32_t tag);
/* Sends it, or queues it when the client is slow. May end the connection. */
void reply_send(struct conn *c, struct wire_out *w);
void reply_ok(struct conn *c, uint32_t tag);
void reply_error(struct conn *c, uint32_t tag, const struct err *e);

#endif
