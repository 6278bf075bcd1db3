/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's ring: pages of the guest that both ends have, for messages in large pieces. Each
 * direction has its own bytes and indexes. */
#ifndef CHAOS_RING_H
#define CHAOS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * The guest grants 1 + 2 * RING_PAGES pages: the first has the indexes, then come the bytes from
 * the guest, then those to it. Indexes count bytes, and are never reset. A record is a head of 8
 * bytes (length, type, session, zero) and its data, filled up to a multiple of 8; a whole record is
 * there or nothing of it.
 *
 * A side that waits says so in the ring, looks again, and sleeps; the other side then says BELL on
 * the channel (link.h). What it waits for may have come in between: a bell means no more than that
 * it has to look.
 */
#define RING_VERSION 1u
#define RING_PAGE    4096u
#define RING_PAGES   64u /* of each direction */
#define RING_SIZE    (RING_PAGES * RING_PAGE)
#define RING_ALL     (1u + 2u * RING_PAGES)
#define RING_HEAD    8u
#define RING_RECORD  65536u /* bytes of data, at most */

struct ring_half {
	uint32_t prod;
	uint32_t pad0[15];
	uint32_t cons;
	uint32_t pad1[15];
	uint32_t wants_data; /* its consumer sleeps */
	uint32_t wants_room; /* its producer sleeps */
	uint32_t pad2[30];
};
_Static_assert(sizeof(struct ring_half) == 256, "the layout of a ring");

/* One end of one direction. What the other end writes is loaded once and checked. */
struct ring_end {
	struct ring_half *half;
	uint8_t *data; /* RING_SIZE bytes */
	uint32_t at;   /* our index: the other end may write the one in the page */
	uint32_t seen; /* the other end's, when it was looked at last */
};

struct ring {
	struct ring_end out, in;
	uint8_t *copy; /* RING_SIZE bytes: what is sent is kept here, too; NULL */
	bool broken;   /* the other end's indexes or records are impossible */
};

struct ring_record {
	uint8_t type, session;
	uint32_t len;
	struct iovec data[2];
};

/* Both directions, of RING_ALL pages; the guest clears the first one before. */
void ring_init(struct ring *r, void *pages, bool host);
/* Goes on in other pages, which have the same bytes; those of the copy are written again. */
void ring_move(struct ring *r, void *pages);
/* Bytes of data of one more record that find room. */
uint32_t ring_room(struct ring *r);
/* Where the data of the next record goes: at most `most` bytes, for which there is room. */
int ring_place(struct ring *r, uint32_t most, struct iovec to[2]);
/* The record is there. True: the other end sleeps, and has to hear a bell. */
bool ring_commit(struct ring *r, uint8_t type, uint8_t session, uint32_t len);
/* The next record: it stays until ring_release(). 1; 0: there is none; -EPROTO. */
int ring_next(struct ring *r, struct ring_record *out);
/* True: the other end waits for room, and there is some: a bell. */
bool ring_release(struct ring *r, const struct ring_record *rec);
/* Before a sleep. False: there is a record, or room for as much. */
bool ring_sleeps_for_data(struct ring *r);
bool ring_sleeps_for_room(struct ring *r, uint32_t len);
/* Copies data of a record, from that byte on. */
void ring_copy(void *to, const struct ring_record *rec, uint32_t from, uint32_t len);

#endif
