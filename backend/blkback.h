/* SPDX-License-Identifier: BSD-3-Clause */
/* A vbd's ring against an open file or block device: parse, merge, run, answer. */
#ifndef NOXS_BACKEND_BLKBACK_H
#define NOXS_BACKEND_BLKBACK_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xen/io/blkif.h>

#include "base/err.h"
#include "backend/ring.h"
#include "backend/seam.h"

#define BLK_SECTOR   512u
#define BLK_REQUESTS 32u  /* of a ring page */
#define BLK_SEGMENTS 256u /* of a job, and of an indirect request: 1 MiB */
#define BLK_PAGE     RING_PAGE

#define BLK_READ_ONLY (1u << 0)
#define BLK_DISCARD   (1u << 1) /* holes are punched */
/* Another process has served this ring: it goes on if that one has answered all it had taken. */
#define BLK_AGAIN (1u << 2)
#define BLK_FLAGS (BLK_READ_ONLY | BLK_DISCARD | BLK_AGAIN)

struct blkback {
	/* IN, before blkback_init() */
	const struct backend_seam *seam;
	uint16_t domid;
	uint32_t port;	  /* local event channel */
	int fd;		  /* the caller's; opened to write unless BLK_READ_ONLY */
	uint64_t sectors; /* of 512 bytes, at most what the file holds */
	uint32_t flags;	  /* BLK_* */
	/* OUT */
	uint64_t reads; /* requests answered with success */
	uint64_t writes;
	uint64_t bytes;
	uint64_t failed;
	uint32_t running; /* jobs that were handed out and not finished */
	/* ours */
	struct ring ring;
	bool no_nowait; /* the file does not tell whether it would block */
};

struct blk_segment {
	uint32_t gref;
	uint16_t offset; /* bytes in the page */
	uint16_t bytes;
};

struct blk_request {
	uint64_t id; /* echoed, never used */
	uint64_t sector;
	uint64_t sectors;
	uint16_t segment; /* its first in the job */
	uint16_t segments;
	uint8_t op;	/* BLKIF_OP_*, for the answer */
	int16_t status; /* BLKIF_RSP_* */
};

/* Requests of one kind that follow each other on the disk: one read or write of the file. */
struct blk_job {
	struct blk_job *next; /* the holder's */
	struct blkback *dev;
	uint64_t sector;
	uint64_t sectors;
	uint16_t requests;
	uint16_t segments;
	uint8_t kind; /* BLKIF_OP_READ, _WRITE, _FLUSH_DISKCACHE or _DISCARD */
	struct blk_request request[BLK_REQUESTS];
	struct blk_segment segment[BLK_SEGMENTS];
};

/* Where one thread runs jobs: about 0.1 MiB, and `area`, BLK_SEGMENTS pages that are the caller's
 * and outlive it. */
struct blk_scratch;
struct blk_scratch *blk_scratch_new(uint8_t *area);
void blk_scratch_free(struct blk_scratch *s);

void blkback_init(struct blkback *b, void *ring_page);

/*
 * Takes what the guest asks for, answers what needs no I/O (errors), and hands out the rest: *jobs
 * is a list in the guest's order, each to be run (blk_run) and then finished (blk_finish), which
 * frees it; dev->running counts them. 1: call again; 0: an event will come. -EPROTO: the guest
 * broke the protocol and `e` says how. -ENOMEM. On errors *jobs still lists what was taken.
 */
int blkback_poll(struct blkback *b, struct blk_scratch *s, struct blk_job **jobs, struct err *e);

/* Reads, writes, flushes or discards; fills the requests' status. On any thread. With `nowait`,
 * reads that would wait for a disk are left: false, and the job may be run again without. */
bool blk_run(struct blk_job *job, struct blk_scratch *s, bool nowait);

/* Answers a job's requests, frees it; the answers show with blkback_publish(). */
void blk_finish(struct blk_job *job);
void blkback_publish(struct blkback *b);

#endif
