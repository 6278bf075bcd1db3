/* SPDX-License-Identifier: BSD-3-Clause */
/* The messages between two chaos commands before and after the stream of a VM (man 7
 * chaos-migrate). */
#ifndef CHAOS_CHAOS_MIGRATE_FRAME_H
#define CHAOS_CHAOS_MIGRATE_FRAME_H

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

/* Each message has 16 bytes (magic, version, type, number of bytes that follow; little-endian)
 * and fields as on chaosd's socket. HOST is the boot id of the target, SINCE the time when it
 * began to receive. After READY, before FILLED, the stream of the VM follows; it has its own end
 * mark. Data from the other host is hostile until it was checked here. */
enum migrate_type {
	MIGRATE_OFFER = 1, /* NAME, UUID, TYPE, MEM_KIB, VCPUS, FLAGS (PAUSED, LIVE: it can be sent
			      in rounds) */
	MIGRATE_READY,	   /* the target is ready for the stream; FLAGS (LIVE: in rounds) */
	MIGRATE_FILLED,	   /* WHAT, HOST, SINCE: the VM is complete, and does not run */
	MIGRATE_GO,	   /* it may run: from now on it does not belong to the source */
	MIGRATE_RUNS,	   /* NAME, DOMID */
	MIGRATE_NO,	   /* CODE, TEXT: it does not run there, and never will */
	MIGRATE_ASK,	   /* in place of OFFER, with the fields of FILLED: asks for RUNS or NO */
	MIGRATE_ROUND,	   /* ROUND: this round has arrived; between READY and FILLED */
	MIGRATE_TYPES,
};

#define MIGRATE_VERSION 1u
#define MIGRATE_HOST	PROTO_TEXT
#define MIGRATE_SINCE	PROTO_STARTED
#define MIGRATE_BOOT	40u /* size of a boot id as text */
#define MIGRATE_HEAD	16u
#define MIGRATE_BODY	4096u /* maximal size */

struct migrate_message {
	enum migrate_type type;
	uint32_t bytes;
	struct wire_in in; /* fields of the body */
	uint8_t body[MIGRATE_BODY];
};

/* Starts the fields of a message; add them with wire_*(). */
void migrate_begin(struct wire_out *w, uint8_t body[MIGRATE_BODY]);
/* Sends a message with its fields (NULL: none). -EPIPE: the other end has not read all of it,
 * and never will. */
int migrate_send(int fd, enum migrate_type type, const struct wire_out *w, struct err *e);

/* Checks a head and sets m->type and m->bytes. -EPROTO: it was not sent by chaos. */
int migrate_parse_head(const uint8_t head[MIGRATE_HEAD], struct migrate_message *m, struct err *e);
/* Checks m->body, which has m->bytes bytes. -EPROTO. */
int migrate_parse_body(struct migrate_message *m, struct err *e);
/* Reads one message, and no byte after it; waits so long for it (-1: forever). -ETIMEDOUT;
 * -EPIPE: the other side has closed. A MIGRATE_NO becomes an error: e->code is its code, e->msg
 * its text, and the result is -ECANCELED. */
int migrate_receive(int fd, struct migrate_message *m, int ms, struct err *e);

/* Replaces control characters in a text of the other host. */
void migrate_tame(char *text);

#endif
