/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of clients: sending, frames that wait to be sent, and hooks for the end of a
 * connection. */
#ifndef CHAOS_CONN_H
#define CHAOS_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

/* A frame that waits for room in the socket. */
struct out_frame {
	struct out_frame *next;
	uint32_t len;
	uint8_t bytes[];
};

struct conn;
struct conn_hook;

struct conn_hook_ops {
	/* All waiting frames have been sent. It may remove only its own hook, and may end the
	 * connection. */
	void (*room)(struct conn_hook *h);
	/* The connection has ended: nothing can be sent. It may remove only its own hook.
	 * Changes of VMs during the call are reported to other connections only: hooks of an
	 * ended connection are skipped. */
	void (*gone)(struct conn_hook *h);
};

/* For an answer that continues for some time; the first member of the struct that embeds it. */
struct conn_hook {
	struct conn_hook *prev, *next; /* list of its connection */
	const struct conn_hook_ops *ops;
	struct conn *c;
};

/* All connections. */
struct conns {
	struct ev_loop *loop;
	struct conn *first;
	uint32_t n;
	ev_tstamp last_request; /* when the last request came, by ev_now() */
};

/* A connection. Long operations (create, list, image import) hold a reference; `gone` means that
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

/* Takes ownership of the socket; `readable` is called when there is something to read. NULL: out
 * of memory, and the caller closes the socket. */
struct conn *conn_new(struct conns *all, int fd,
		      void (*readable)(struct ev_loop *loop, ev_io *io, int revents), void *owner);
void conn_ref(struct conn *c);
void conn_unref(struct conn *c);
/* For an answer that is made by a call of the engine: add the hook before that call, because the
 * connection may end during it. */
void conn_add_hook(struct conn *c, struct conn_hook *h, const struct conn_hook_ops *ops);
void conn_remove_hook(struct conn_hook *h);
/* Closes it and calls its hooks; frees it unless there is a reference. */
void conn_hang_up(struct conn *c);

/* Starts a frame in the one buffer. */
void reply_begin(struct conn *c, struct wire_out *w, enum proto_op op, uint32_t tag);
/* Sends it, or queues it if the client reads slowly. May end the connection. */
void reply_send(struct conn *c, struct wire_out *w);
void reply_ok(struct conn *c, uint32_t tag);
void reply_error(struct conn *c, uint32_t tag, const struct err *e);

#endif
