/* SPDX-License-Identifier: BSD-3-Clause */
/* The file's side: one copy from or to the guest and one read or write for each job. */
#include "backend/blk_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct blk_scratch *blk_scratch_new(uint8_t *area)
{
	struct blk_scratch *s = calloc(1, sizeof(*s));

	if (s)
		s->area = area;
	return s;
}

void blk_scratch_free(struct blk_scratch *s)
{
	free(s);
}

/* Copies a job's data between guest and area; a bad grant fails only its own request. */
static void copy(struct blk_job *job, struct blk_scratch *s, bool to_guest)
{
	uint8_t *at = s->area;
	int rc;

	for (uint32_t i = 0; i < job->segments; i++) {
		struct xengnttab_grant_copy_segment *seg = &s->segs[i];
		union xengnttab_copy_ptr *guest = to_guest ? &seg->dest : &seg->source;

		memset(seg, 0, sizeof(*seg));
		(to_guest ? &seg->source : &seg->dest)->virt = at;
		guest->foreign.ref = job->segment[i].gref;
		guest->foreign.offset = job->segment[i].offset;
		guest->foreign.domid = job->dev->domid;
		seg->len = job->segment[i].bytes;
		seg->flags = to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
		at += seg->len;
	}
	rc = job->dev->seam->copy(job->dev->seam->ctx, s->segs, job->segments);
	for (uint32_t i = 0; i < job->requests; i++) {
		struct blk_request *r = &job->request[i];

		for (uint32_t k = 0; k < r->segments; k++)
			if (rc < 0 || s->segs[r->segment + k].status != GNTST_okay)
				r->status = BLKIF_RSP_ERROR;
	}
}

/* Transfers all bytes, or returns a negative errno. */
static int transfer(const struct blk_job *job, uint8_t *at, uint64_t sector, uint64_t sectors,
		    int flags)
{
	size_t left = sectors * BLK_SECTOR;
	off_t off = (off_t)(sector * BLK_SECTOR);

	while (left > 0) {
		struct iovec v = {at, left};
		ssize_t n = job->kind == BLKIF_OP_READ ? preadv2(job->dev->fd, &v, 1, off, flags)
						       : pwritev2(job->dev->fd, &v, 1, off, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* the file is shorter than we were told */
			return -EIO;
		at += n;
		off += n;
		left -= (size_t)n;
	}
	return 0;
}

/* One transfer for all requests; if a part fails, each request is tried by itself. */
static int transfer_each(struct blk_job *job, struct blk_scratch *s, int flags)
{
	uint8_t *at = s->area;
	bool whole = true;
	int rc = -EIO;

	for (uint32_t i = 0; i < job->requests; i++)
		whole = whole && job->request[i].status == BLKIF_RSP_OKAY;
	if (whole)
		rc = transfer(job, at, job->sector, job->sectors, flags);
	if (rc == 0 || flags)
		return rc;
	for (uint32_t i = 0; i < job->requests; i++) {
		struct blk_request *r = &job->request[i];

		if (r->status == BLKIF_RSP_OKAY && transfer(job, at, r->sector, r->sectors, 0) < 0)
			r->status = BLKIF_RSP_ERROR;
		/* the page may have data of another job, perhaps of another guest */
		if (r->status != BLKIF_RSP_OKAY && job->kind == BLKIF_OP_READ)
			memset(at, 0, r->sectors * BLK_SECTOR);
		at += r->sectors * BLK_SECTOR;
	}
	return 0;
}

static int16_t discard(const struct blk_job *job)
{
	int rc = fallocate(job->dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (off_t)(job->sector * BLK_SECTOR), (off_t)(job->sectors * BLK_SECTOR));

	if (rc == 0)
		return BLKIF_RSP_OKAY;
	return errno == EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
}

bool blk_run(struct blk_job *job, struct blk_scratch *s, bool nowait)
{
	int rc;

	switch (job->kind) {
	case BLKIF_OP_READ:
		rc = transfer_each(job, s, nowait ? RWF_NOWAIT : 0);
		if (rc < 0) {
			if (rc == -EOPNOTSUPP)
				job->dev->no_nowait = true;
			return false;
		}
		copy(job, s, true);
		return true;
	case BLKIF_OP_WRITE:
		if (nowait)
			return false;
		copy(job, s, false);
		(void)transfer_each(job, s, 0);
		return true;
	case BLKIF_OP_DISCARD:
		if (nowait)
			return false;
		job->request[0].status = discard(job);
		return true;
	default: /* BLKIF_OP_FLUSH_DISKCACHE: blkback_poll() hands out no other */
		if (nowait)
			return false;
		if (fdatasync(job->dev->fd) < 0)
			job->request[0].status = BLKIF_RSP_ERROR;
		return true;
	}
}
