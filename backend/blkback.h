/* SPDX-License-Identifier: BSD-3-Clause */
/* Serves a vbd's ring with an open file or block device: parses, merges, executes and answers
 * requests. */
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
#define BLK_REQUESTS 32u  /* in a ring page */
#define BLK_SEGMENTS 256u /* of a job, and of an indirect request: 1 MiB */
#define BLK_PAGE     RING_PAGE

#define BLK_READ_ONLY (1u << 0)
#define BLK_DISCARD   (1u << 1) /* discards punch holes */
/* Another process has served this ring before. The device can continue only if that process has
 * answered all requests that it had taken. */
#define BLK_AGAIN (1u << 2)
#define BLK_FLAGS (BLK_READ_ONLY | BLK_DISCARD | BLK_AGAIN)

struct blkback {
	/* IN: set before blkback_init() */
	const struct backend_seam *seam;
	uint16_t domid;
	uint32_t port;	  /* local event channel */
	int fd;		  /* the caller closes it; open for writing unless BLK_READ_ONLY */
	uint64_t sectors; /* of 512 bytes; at most the size of the file */
	uint32_t flags;	  /* BLK_* */
	/* OUT */
	uint64_t reads; /* requests that were successful */
	uint64_t writes;
	uint64_t bytes;
	uint64_t failed;
	uint32_t running; /* jobs that were returned by blkback_poll() and not finished */
	/* ours */
	struct ring ring;
	bool no_nowait; /* the file does not support RWF_NOWAIT */
};

struct blk_segment {
	uint32_t gref;
	uint16_t offset; /* bytes in the page */
	uint16_t bytes;
};

struct blk_request {
	uint64_t id; /* returned in the answer, not used otherwise */
	uint64_t sector;
	uint64_t sectors;
	uint16_t segment; /* index of its first segment in the job */
	uint16_t segments;
	uint8_t op;	/* BLKIF_OP_*, for the answer */
	int16_t status; /* BLKIF_RSP_* */
};

/* Requests of one kind that are adjacent on the disk: one read or write of the file. */
struct blk_job {
	struct blk_job *next; /* for the holder of the job */
	struct blkback *dev;
	uint64_t sector;
	uint64_t sectors;
	uint16_t requests;
	uint16_t segments;
	uint8_t kind; /* BLKIF_OP_READ, _WRITE, _FLUSH_DISKCACHE or _DISCARD */
	struct blk_request request[BLK_REQUESTS];
	struct blk_segment segment[BLK_SEGMENTS];
};

/* Buffers with which one thread runs jobs: about 0.1 MiB, and `area`, BLK_SEGMENTS pages that
 * belong to the caller and must exist longer. */
struct blk_scratch;
struct blk_scratch *blk_scratch_new(uint8_t *area);
void blk_scratch_free(struct blk_scratch *s);

void blkback_init(struct blkback *b, void *ring_page);

/* Reads the guest's requests, answers those that need no I/O (errors), and returns the others:
 * *jobs is a list in the guest's order. Each job must be run (blk_run) and then finished
 * (blk_finish), which frees it; dev->running counts them. 1: call again; 0: the guest will send
 * an event. -EPROTO: the guest broke the protocol, `e` says how. -ENOMEM. On errors *jobs has
 * the requests that were read before. */
int blkback_poll(struct blkback *b, struct blk_scratch *s, struct blk_job **jobs, struct err *e);

/* Reads, writes, flushes or discards, and fills the status of the requests. On any thread. With
 * `nowait`, it returns false instead of waiting for a disk; run the job again without `nowait`. */
bool blk_run(struct blk_job *job, struct blk_scratch *s, bool nowait);

/* Answers the requests of a job and frees it; the guest sees the answers after
 * blkback_publish(). */
void blk_finish(struct blk_job *job);
void blkback_publish(struct blkback *b);

#endif
