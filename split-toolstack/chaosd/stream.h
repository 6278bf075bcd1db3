/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits, consoles and subscriptions have in common: answers without an end for now. */
#ifndef CHAOS_STREAM_H
#define CHAOS_STREAM_H

#include "split-toolstack/chaosd/server.h"

#define STREAMS_MAX 64u /* of one connection */

/* One wait, console or subscription of one connection. It knows its VM by uuid alone. */
struct stream {
	struct stream *next; /* of its connection */
	struct conn *c;
	uint32_t tag, flags;
	bool console, events;
	uint8_t uuid[16];
	uint64_t pos; /* of the console log, or the next event */
	/* of the same bucket of VMs, or of all subscriptions */
	struct stream *peer_next, *peer_prev;
};

/* Opens one of the request; the caller lists it by its peers. -EBUSY, -ENOMEM. */
int stream_new(struct request *r, struct stream **out, struct err *e);

/* --- op_events.c --- */
int subscriptions_open(struct engine *en, struct ev_loop *loop, struct server *s, struct err *e);
void subscriptions_close(void);
/* A subscription is about to be freed. */
void subscription_end(struct stream *st);
/* Its connection has room. */
void subscription_pump(struct stream *st);

#endif
