/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits, consoles and subscriptions have in common: answers without an end for now. */
#ifndef CHAOS_STREAM_H
#define CHAOS_STREAM_H

#include "split-toolstack/chaosd/request.h"

#define STREAMS_MAX 64u /* of one connection */

struct stream;

/* What the kinds of streams differ in. */
struct stream_ops {
	/* Its connection has room, and nothing waits there. May end it. NULL: not wanted. */
	void (*room)(struct stream *st);
	/* It is about to be freed: takes it out of the lists of its kind. */
	void (*end)(struct stream *st);
};

/* One wait, console or subscription of one connection, which frees it when it goes. It has its VM
 * by uuid alone. */
struct stream {
	struct conn_hook hook;
	const struct stream_ops *ops;
	struct conn *c;
	uint32_t tag, flags;
	uint8_t uuid[16];
	uint64_t pos; /* of the console log, or the next event */
	/* of the same bucket of VMs, or of all subscriptions */
	struct stream *peer_next, *peer_prev;
};

/* Opens one of the request; the caller lists it by its peers. -EBUSY, -ENOMEM. */
int stream_new(struct request *r, const struct stream_ops *ops, struct stream **out, struct err *e);
void stream_end(struct stream *st);
/* The stream of this kind that the request goes on with, by its tag; the youngest one of these
 * with all of `flags`. NULL: there is none. */
struct stream *stream_of(const struct request *r, const struct stream_ops *ops, uint32_t flags);

#endif
