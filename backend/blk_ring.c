/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring's side: each request is copied once, checked, and merged with its neighbour. */
#include "backend/blk_private.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One request while it is checked. */
struct parsed {
	struct blk_request r;
	uint8_t kind;
	struct blk_segment *segment; /* in the scratch */
};

_Static_assert(offsetof(struct blkif_request, id) == offsetof(struct blkif_request_discard, id),
	       "");
_Static_assert(offsetof(struct blkif_request, id) == offsetof(struct blkif_request_indirect, id),
	       "");
_Static_assert(sizeof(union any_request) == 112, "x86_64 protocol");

void blkback_init(struct blkback *b, void *ring_page)
{
	ring_init(&b->ring, ring_page, sizeof(union any_request));
}

static void answer(struct blkback *b, uint64_t id, uint8_t op, int16_t status)
{
	struct blkif_response r = {.id = id, .operation = op, .status = status};

	if (status != BLKIF_RSP_OKAY)
		b->failed++;
	ring_answer(&b->ring, &r, sizeof(r));
}

void blkback_publish(struct blkback *b)
{
	if (ring_publish(&b->ring))
		b->seam->notify(b->seam->ctx, b->port);
}

static bool in_disk(const struct blkback *b, uint64_t sector, uint64_t sectors)
{
	return sectors <= b->sectors && sector <= b->sectors - sectors;
}

/* Segments in sectors of a page to bytes; false for impossible ones. */
static bool segments(struct parsed *p, const struct blkif_request_segment *seg, uint32_t n)
{
	p->r.sectors = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = seg[i].first_sect;
		uint32_t last = seg[i].last_sect;

		if (first > last || last >= BLK_PAGE / BLK_SECTOR)
			return false;
		p->segment[i].gref = seg[i].gref;
		p->segment[i].offset = (uint16_t)(first * BLK_SECTOR);
		p->segment[i].bytes = (uint16_t)((last - first + 1) * BLK_SECTOR);
		p->r.sectors += last - first + 1;
	}
	p->r.segments = (uint16_t)n;
	return true;
}

static bool is_indirect(const union any_request *q)
{
	return q->rw.operation == BLKIF_OP_INDIRECT && q->indirect.nr_segments > 0 &&
	       q->indirect.nr_segments <= BLK_SEGMENTS;
}

/* The segments of an indirect request are in a page of the guest. One call copies those of all
 * `n` requests; they are checked later, one request after the other. A request whose copy failed
 * has no segments. */
static void fetch_indirect(struct blkback *b, struct blk_scratch *s, uint32_t n)
{
	uint32_t k = 0;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct blkif_request_indirect *q = &s->taken[i].indirect;
		struct xengnttab_grant_copy_segment *seg = &s->segs[k];

		if (!is_indirect(&s->taken[i]))
			continue;
		memset(seg, 0, sizeof(*seg));
		seg->source.foreign.ref = q->indirect_grefs[0];
		seg->source.foreign.domid = b->domid;
		seg->dest.virt = s->indirect[i];
		seg->len = (uint16_t)(q->nr_segments * sizeof(s->indirect[0][0]));
		seg->flags = GNTCOPY_source_gref;
		k++;
	}
	if (k > 0)
		rc = b->seam->copy(b->seam->ctx, s->segs, k);
	for (uint32_t i = 0, at = 0; i < n && at < k; i++)
		if (is_indirect(&s->taken[i]) && (s->segs[at++].status != GNTST_okay || rc < 0))
			s->taken[i].indirect.nr_segments = 0;
}

/* BLKIF_RSP_OKAY if there is I/O to do, otherwise the status for an immediate answer. */
static int16_t parse(const struct blkback *b, struct blk_scratch *s, uint32_t i, struct parsed *p)
{
	const union any_request *q = &s->taken[i];

	memset(&p->r, 0, sizeof(p->r));
	p->segment = s->parsed;
	p->r.id = q->rw.id;
	p->r.op = p->kind = q->rw.operation;
	switch (q->rw.operation) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
		p->r.sector = q->rw.sector_number;
		if (q->rw.nr_segments == 0 || q->rw.nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST ||
		    !segments(p, q->rw.seg, q->rw.nr_segments))
			return BLKIF_RSP_ERROR;
		break;
	case BLKIF_OP_INDIRECT:
		p->kind = q->indirect.indirect_op;
		p->r.sector = q->indirect.sector_number;
		if (!is_indirect(q) || (p->kind != BLKIF_OP_READ && p->kind != BLKIF_OP_WRITE) ||
		    !segments(p, s->indirect[i], q->indirect.nr_segments))
			return BLKIF_RSP_ERROR;
		p->r.op = p->kind; /* Linux expects the operation in the answer */
		break;
	case BLKIF_OP_FLUSH_DISKCACHE:
		return BLKIF_RSP_OKAY; /* its sector and segments mean nothing */
	case BLKIF_OP_DISCARD:
		if (!(b->flags & BLK_DISCARD) || (q->discard.flag & BLKIF_DISCARD_SECURE))
			return BLKIF_RSP_EOPNOTSUPP;
		p->r.sector = q->discard.sector_number;
		p->r.sectors = q->discard.nr_sectors;
		break;
	default: /* barriers, and operations that were not offered */
		return BLKIF_RSP_EOPNOTSUPP;
	}
	if (p->r.sectors == 0 || !in_disk(b, p->r.sector, p->r.sectors))
		return BLKIF_RSP_ERROR;
	if (p->kind != BLKIF_OP_READ && (b->flags & BLK_READ_ONLY))
		return BLKIF_RSP_ERROR;
	return BLKIF_RSP_OKAY;
}

static bool joins(const struct blk_job *job, const struct parsed *p)
{
	return job && job->kind == p->kind && job->requests < BLK_REQUESTS &&
	       (p->kind == BLKIF_OP_READ || p->kind == BLKIF_OP_WRITE) &&
	       job->sector + job->sectors == p->r.sector &&
	       (uint32_t)job->segments + p->r.segments <= BLK_SEGMENTS;
}

static void join(struct blk_job *job, const struct parsed *p)
{
	struct blk_request *r = &job->request[job->requests++];

	*r = p->r;
	r->segment = job->segments;
	memcpy(job->segment + job->segments, p->segment, p->r.segments * sizeof(p->segment[0]));
	job->segments = (uint16_t)(job->segments + p->r.segments);
	job->sectors += p->r.sectors;
}

static struct blk_job *job_new(struct blkback *b, const struct parsed *p)
{
	struct blk_job *job = malloc(sizeof(*job)); /* only what is used gets filled */

	if (!job)
		return NULL;
	job->next = NULL;
	job->dev = b;
	job->kind = p->kind;
	job->sector = p->r.sector;
	job->sectors = 0;
	job->requests = job->segments = 0;
	b->running++;
	return job;
}

int blkback_poll(struct blkback *b, struct blk_scratch *s, struct blk_job **jobs, struct err *e)
{
	struct blk_job **tail = jobs;
	struct blk_job *job = NULL;
	int32_t waiting = ring_waiting(&b->ring);
	int rc;

	*jobs = NULL;
	if (waiting < 0)
		return err_set(e, EPROTO, "impossible index in the ring");
	for (int32_t i = 0; i < waiting; i++)
		ring_take(&b->ring, &s->taken[i], sizeof(s->taken[i]));
	fetch_indirect(b, s, (uint32_t)waiting);
	for (int32_t i = 0; i < waiting; i++) {
		struct parsed p;
		int16_t status = parse(b, s, (uint32_t)i, &p);

		if (status != BLKIF_RSP_OKAY) {
			answer(b, p.r.id, p.r.op, status);
			continue;
		}
		if (!joins(job, &p)) {
			job = job_new(b, &p);
			if (!job)
				return err_set(e, ENOMEM, "out of memory");
			*tail = job;
			tail = &job->next;
		}
		join(job, &p);
	}
	blkback_publish(b);
	rc = ring_ask(&b->ring, 1);
	if (rc < 0)
		return err_set(e, EPROTO, "impossible index in the ring");
	return rc;
}

void blk_finish(struct blk_job *job)
{
	struct blkback *b = job->dev;

	for (uint16_t i = 0; i < job->requests; i++) {
		const struct blk_request *r = &job->request[i];

		answer(b, r->id, r->op, r->status);
		if (r->status != BLKIF_RSP_OKAY)
			continue;
		if (job->kind == BLKIF_OP_READ)
			b->reads++;
		if (job->kind == BLKIF_OP_WRITE)
			b->writes++;
		if (r->segments)
			b->bytes += r->sectors * BLK_SECTOR;
	}
	b->running--;
	free(job);
}
