/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by waits, consoles and subscriptions: answers that continue for some time. */
#ifndef CHAOS_STREAM_H
#define CHAOS_STREAM_H

#include "split-toolstack/chaosd/request.h"

#define STREAMS_MAX 64u /* maximal number for one connection */

struct stream;

/* The differences between the kinds of streams. */
struct stream_ops {
	/* The connection has room and no waiting frame. It may end the stream. NULL: not needed. */
	void (*room)(struct stream *st);
	/* It will be freed: removes it from the lists of its kind. */
	void (*end)(struct stream *st);
};

/* A wait, console or subscription; it is freed with its connection. It has only the uuid of its
 * VM. */
struct stream {
	struct conn_hook hook;
	const struct stream_ops *ops;
	struct conn *c;
	uint32_t tag, flags;
	uint8_t uuid[16];
	uint64_t pos; /* position in the console log, or the next event */
	/* list of the same bucket of VMs, or of all subscriptions */
	struct stream *peer_next, *peer_prev;
	bool runs; /* a console or channel that has its turn soon: in the list of these */
	struct stream *turn_next, *turn_prev;
};

/* Makes a stream for the request; the caller adds it to its list. -EBUSY, -ENOMEM. */
int stream_new(struct request *r, const struct stream_ops *ops, struct stream **out, struct err *e);
void stream_end(struct stream *st);
/* The stream of this kind with the request's tag; if there are several, the newest that has all
 * of `flags`. NULL: there is none. */
struct stream *stream_of(const struct request *r, const struct stream_ops *ops, uint32_t flags);

#endif
