/* SPDX-License-Identifier: BSD-3-Clause */
/* What two chaos tell each other around the stream of a VM that moves (man 7 chaos-migrate). */
#ifndef CHAOS_CHAOS_MIGRATE_FRAME_H
#define CHAOS_CHAOS_MIGRATE_FRAME_H

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

/*
 * Each is 16 bytes (magic, version, type, bytes that follow; little-endian) and fields as on
 * chaosd's socket; HOST is the boot of the target, SINCE when it began to be filled there. Between
 * OFFER and FILLED, behind READY, the stream of the VM follows, which has an end of its own. What
 * comes from the other host is hostile until it was checked here.
 */
enum migrate_type {
	MIGRATE_OFFER = 1, /* NAME, UUID, TYPE, MEM_KIB, VCPUS, FLAGS (PAUSED, LIVE: it can come in
			      rounds) */
	MIGRATE_READY,	   /* the stream is awaited; FLAGS (LIVE: it may) */
	MIGRATE_FILLED,	   /* WHAT, HOST, SINCE: the VM is there, and does not run */
	MIGRATE_GO,	   /* it may: from now on it is not the source's */
	MIGRATE_RUNS,	   /* NAME, DOMID */
	MIGRATE_NO,	   /* CODE, TEXT: it does not run there, and never will */
	MIGRATE_ASK,	   /* in place of OFFER, what FILLED had: which of RUNS and NO is it? */
	MIGRATE_ROUND,	   /* ROUND: so many have arrived, between READY and FILLED */
	MIGRATE_TYPES,
};

#define MIGRATE_VERSION 1u
#define MIGRATE_HOST	PROTO_TEXT
#define MIGRATE_SINCE	PROTO_STARTED
#define MIGRATE_BOOT	40u /* room for the text of a boot */
#define MIGRATE_HEAD	16u
#define MIGRATE_BODY	4096u /* at most */

struct migrate_message {
	enum migrate_type type;
	uint32_t bytes;
	struct wire_in in; /* of the body */
	uint8_t body[MIGRATE_BODY];
};

/* Starts the fields of a message, which are added by wire_*(). */
void migrate_begin(struct wire_out *w, uint8_t body[MIGRATE_BODY]);
/* All of it, with its fields (NULL: none). -EPIPE: the other end has not read all of it, and never
 * will. */
int migrate_send(int fd, enum migrate_type type, const struct wire_out *w, struct err *e);

/* Checks a head; m->type and m->bytes are set. -EPROTO: what has sent it is no chaos. */
int migrate_parse_head(const uint8_t head[MIGRATE_HEAD], struct migrate_message *m, struct err *e);
/* Checks m->body, m->bytes of it. -EPROTO. */
int migrate_parse_body(struct migrate_message *m, struct err *e);
/* Reads one, and not a byte more, waiting for it so long (-1: for ever). -ETIMEDOUT; -EPIPE: the
 * other side is gone. A MIGRATE_NO becomes its error: e->code is its code, e->msg its text, and the
 * result is -ECANCELED. */
int migrate_receive(int fd, struct migrate_message *m, int ms, struct err *e);

/* Text of the other host, made fit for a terminal. */
void migrate_tame(char *text);

#endif
