/* SPDX-License-Identifier: BSD-3-Clause */
/* blkback between a guest in memory and a file in memory. */
#include "tests/unit/backend/backend_blk.h"

/* Polls, runs and finishes; the number of jobs. */
static int serve(struct env *v)
{
	struct blk_job *job;
	int n = 0;

	assert_int_equal(blkback_poll(&v->b, v->s, &job, &v->e), 0);
	for (struct blk_job *next; job; job = next, n++) {
		next = job->next;
		assert_true(blk_run(job, v->s, false));
		blk_finish(job);
	}
	blkback_publish(&v->b);
	return n;
}

/* The next answer; its id is that of the request at this place. */
static int16_t status(struct env *v)
{
	struct blkif_response r = {0};
	uint32_t at = v->front.cons;

	assert_true(front_get(&v->front, &r, sizeof(r)));
	assert_int_equal(r.id, 0xdead0000u + at);
	return r.status;
}

static void fill(struct env *v, uint32_t gref, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		memset(v->guest.page[gref + i], (int)(gref + i), RING_PAGE);
}

static void write_and_read(void **state)
{
	struct env *v = *state;

	fill(v, 1, 11);
	put(v, rw(BLKIF_OP_WRITE, 8, 1, 11));
	put(v, rw(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 0));
	put(v, rw(BLKIF_OP_READ, 8, 101, 11));
	assert_int_equal(serve(v), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(status(v), BLKIF_RSP_OKAY);
	for (int i = 0; i < 11; i++)
		assert_memory_equal(v->guest.page[1 + i], v->guest.page[101 + i], RING_PAGE);
	assert_int_equal(v->b.reads, 1);
	assert_int_equal(v->b.writes, 1);
	assert_int_equal(v->b.bytes, 2 * 11 * RING_PAGE);
	assert_true(v->guest.notified > 0);
}

static void parts_of_pages(void **state)
{
	struct env *v = *state;
	struct blkif_request r = rw(BLKIF_OP_WRITE, SECTORS - 4, 1, 2);
	uint8_t disk[4 * 512];

	fill(v, 1, 2);
	r.seg[0].first_sect = r.seg[0].last_sect = 3;
	r.seg[1].first_sect = 5;
	put(v, r);
	assert_int_equal(serve(v), 1);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
	assert_int_equal(pread(v->b.fd, disk, sizeof(disk), (SECTORS - 4) * 512), sizeof(disk));
	assert_int_equal(disk[511], 1);
	assert_int_equal(disk[512], 2);
	assert_int_equal(disk[2047], 2);
}

static void neighbours_are_joined(void **state)
{
	struct env *v = *state;

	fill(v, 1, 44);
	for (uint32_t i = 0; i < 4; i++)
		put(v, rw(BLKIF_OP_WRITE, 88 * i, 1 + 11 * i, 11));
	put(v, rw(BLKIF_OP_WRITE, 1000, 1, 1)); /* elsewhere */
	assert_int_equal(serve(v), 2);
	assert_int_equal(v->guest.copies, 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(status(v), BLKIF_RSP_OKAY);
	for (uint32_t i = 0; i < 31; i++) /* 256 segments are a job */
		put(v, rw(BLKIF_OP_READ, 88 * i, 1, 11));
	assert_int_equal(serve(v), 2);
	for (int i = 0; i < 31; i++)
		assert_int_equal(status(v), BLKIF_RSP_OKAY);
}

static struct blkif_request indirect(struct env *v, uint8_t op, uint64_t sector, uint16_t n)
{
	struct blkif_request r = {0};
	struct blkif_request_indirect q = {.operation = BLKIF_OP_INDIRECT,
					   .indirect_op = op,
					   .nr_segments = n,
					   .sector_number = sector};
	struct blkif_request_segment *seg = (void *)v->guest.page[300];

	q.indirect_grefs[0] = 300;
	for (uint16_t i = 0; i < n && i < 512; i++) {
		seg[i].gref = i;
		seg[i].first_sect = 0;
		seg[i].last_sect = 7;
	}
	memcpy(&r, &q, sizeof(q));
	return r;
}

static void put_indirect(struct env *v, struct blkif_request r)
{
	struct blkif_request_indirect q;

	memcpy(&q, &r, sizeof(q));
	q.id = 0xdead0000u + v->front.prod;
	memcpy(&r, &q, sizeof(q));
	front_put(&v->front, &r, sizeof(r));
}

static void indirect_segments(void **state)
{
	struct env *v = *state;
	struct blkif_response r = {0};

	fill(v, 0, 256);
	put_indirect(v, indirect(v, BLKIF_OP_WRITE, 0, 256));
	assert_int_equal(serve(v), 1);
	assert_true(front_get(&v->front, &r, sizeof(r)));
	assert_int_equal(r.operation, BLKIF_OP_WRITE);
	assert_int_equal(r.status, BLKIF_RSP_OKAY);
	memset(v->guest.page, 0, (size_t)256 * RING_PAGE);
	put_indirect(v, indirect(v, BLKIF_OP_READ, 0, 256));
	assert_int_equal(serve(v), 1);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
	for (int i = 0; i < 256; i++)
		assert_int_equal(v->guest.page[i][i], i);
}

static void indirect_refused(void **state)
{
	struct env *v = *state;

	put_indirect(v, indirect(v, BLKIF_OP_WRITE, 0, 0));
	put_indirect(v, indirect(v, BLKIF_OP_WRITE, 0, 257));
	put_indirect(v, indirect(v, BLKIF_OP_FLUSH_DISKCACHE, 0, 1));
	put_indirect(v, indirect(v, BLKIF_OP_INDIRECT, 0, 1));
	put_indirect(v, indirect(v, BLKIF_OP_READ, SECTORS - 7, 1));
	assert_int_equal(serve(v), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(status(v), BLKIF_RSP_ERROR);
	v->guest.revoked[300] = true;
	put_indirect(v, indirect(v, BLKIF_OP_READ, 0, 1));
	assert_int_equal(serve(v), 0);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
	v->guest.copy_rc = -EFAULT;
	put_indirect(v, indirect(v, BLKIF_OP_READ, 0, 1));
	assert_int_equal(serve(v), 0);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
}

/* Answered with an error, nothing is touched. */
static void refused(void **state)
{
	struct env *v = *state;
	struct blkif_request r;
	int n = 0;

	put(v, rw(BLKIF_OP_READ, SECTORS - 7, 1, 1)), n++;
	put(v, rw(BLKIF_OP_WRITE, SECTORS, 1, 1)), n++;
	put(v, rw(BLKIF_OP_READ, UINT64_MAX, 1, 1)), n++;
	put(v, rw(BLKIF_OP_READ, UINT64_MAX - 7, 1, 1)), n++;
	put(v, rw(BLKIF_OP_READ, 0, 1, 0)), n++;
	put(v, rw(BLKIF_OP_READ, 0, 1, 12)), n++;
	put(v, rw(BLKIF_OP_READ, 0, 1, 255)), n++;
	r = rw(BLKIF_OP_READ, 0, 1, 1);
	r.seg[0].last_sect = 8;
	put(v, r), n++;
	r.seg[0].first_sect = 3;
	r.seg[0].last_sect = 2;
	put(v, r), n++;
	assert_int_equal(serve(v), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_int_equal(v->guest.copies, 0);
	put(v, rw(BLKIF_OP_WRITE_BARRIER, 0, 1, 1));
	put(v, rw(99, 0, 1, 1));
	assert_int_equal(serve(v), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(status(v), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(v->b.failed, n + 2);
}

static void read_only(void **state)
{
	struct env *v = *state;

	v->b.flags = BLK_READ_ONLY | BLK_DISCARD;
	put(v, rw(BLKIF_OP_WRITE, 0, 1, 1));
	put(v, rw(BLKIF_OP_DISCARD, 0, 1, 0));
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	assert_int_equal(serve(v), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
}

static struct blkif_request discard(uint8_t flag, uint64_t sector, uint64_t n)
{
	struct blkif_request_discard q = {.operation = BLKIF_OP_DISCARD,
					  .flag = flag,
					  .sector_number = sector,
					  .nr_sectors = n};
	struct blkif_request r = {0};

	memcpy(&r, &q, sizeof(q));
	return r;
}

static void discards(void **state)
{
	struct env *v = *state;
	struct stat st;

	fill(v, 1, 11);
	put(v, rw(BLKIF_OP_WRITE, 0, 1, 11));
	put(v, discard(0, 0, 88));
	put(v, discard(0, SECTORS - 1, 2));
	put(v, discard(0, 1, UINT64_MAX));
	put(v, discard(BLKIF_DISCARD_SECURE, 0, 8));
	assert_int_equal(serve(v), 2);
	/* errors come first: nothing had to be done for them */
	for (int i = 0; i < 5; i++) {
		struct blkif_response r = {0};

		assert_true(front_get(&v->front, &r, sizeof(r)));
		if (r.id == 0xdead0004u)
			assert_int_equal(r.status, BLKIF_RSP_EOPNOTSUPP);
		else if (r.id >= 0xdead0002u)
			assert_int_equal(r.status, BLKIF_RSP_ERROR);
		else
			assert_int_equal(r.status, BLKIF_RSP_OKAY);
	}
	assert_int_equal(fstat(v->b.fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	v->b.flags = 0;
	put(v, discard(0, 0, 8));
	assert_int_equal(serve(v), 0);
	assert_int_equal(status(v), BLKIF_RSP_EOPNOTSUPP);
}

static void good_bad_good(struct env *v)
{
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
}

/* One bad grant among joined requests fails its own. */
static void bad_grants(void **state)
{
	struct env *v = *state;

	fill(v, 1, 3);
	v->guest.revoked[2] = true;
	for (uint32_t i = 0; i < 3; i++)
		put(v, rw(BLKIF_OP_WRITE, 8 * i, 1 + i, 1));
	assert_int_equal(serve(v), 1);
	good_bad_good(v);
	v->guest.revoked[2] = false;
	v->guest.revoked[12] = true;
	for (uint32_t i = 0; i < 3; i++)
		put(v, rw(BLKIF_OP_READ, 8 * i, 11 + i, 1));
	assert_int_equal(serve(v), 1);
	good_bad_good(v);
	assert_int_equal(v->guest.page[11][0], 1);
	assert_int_equal(v->guest.page[13][0], 3);
	v->guest.copy_rc = -ENOMEM;
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	put(v, rw(BLKIF_OP_WRITE, 8, 1, 1));
	assert_int_equal(serve(v), 2);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
}

/* The file became shorter than its device: what is there is read, the rest fails. */
static void short_file(void **state)
{
	struct env *v = *state;

	assert_int_equal(ftruncate(v->b.fd, 4096), 0);
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	put(v, rw(BLKIF_OP_READ, 8, 2, 1));
	assert_int_equal(serve(v), 1);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
}

/* The buffers have seen other requests, of other guests. */
static void failed_reads_tell_nothing(void **state)
{
	struct env *v = *state;

	fill(v, 3, 2);
	put(v, rw(BLKIF_OP_WRITE, 0, 3, 2));
	assert_int_equal(serve(v), 1);
	assert_int_equal(status(v), BLKIF_RSP_OKAY);
	assert_int_equal(ftruncate(v->b.fd, 2048), 0);
	put(v, rw(BLKIF_OP_READ, 0, 10, 2));
	assert_int_equal(serve(v), 1);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_memory_equal(v->guest.page[10], v->guest.page[0], RING_PAGE);
	assert_memory_equal(v->guest.page[11], v->guest.page[0], RING_PAGE);
}

/* What the next process finds in a ring that the one before has left. */
static void left_rings(void **state)
{
	struct env *v = *state;
	struct blk_job *job;
	struct ring next;

	ring_init(&next, v->front.page, ENTRY);
	assert_true(ring_was_idle(&next));
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	ring_init(&next, v->front.page, ENTRY); /* asked for, but not taken */
	assert_true(ring_was_idle(&next));
	assert_int_equal(blkback_poll(&v->b, v->s, &job, &v->e), 0);
	ring_init(&next, v->front.page, ENTRY);
	assert_false(ring_was_idle(&next));
	assert_true(blk_run(job, v->s, false));
	blk_finish(job);
	blkback_publish(&v->b);
	ring_init(&next, v->front.page, ENTRY);
	assert_true(ring_was_idle(&next));
	assert_int_equal(ring_waiting(&next), 0);
}

static void file_errors(void **state)
{
	struct env *v = *state;

	(void)close(v->b.fd);
	v->b.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	put(v, discard(0, 0, 8));
	put(v, rw(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 0));
	assert_int_equal(serve(v), 3);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
	assert_true(status(v) < 0);
	assert_int_equal(status(v), BLKIF_RSP_ERROR);
}

static void impossible_index(void **state)
{
	struct env *v = *state;
	struct blk_job *jobs;

	v->front.page->req_prod = BLK_REQUESTS + 1;
	assert_int_equal(blkback_poll(&v->b, v->s, &jobs, &v->e), -EPROTO);
	assert_null(jobs);
	assert_non_null(strstr(v->e.msg, "impossible index"));
}

/* A guest that puts more while requests are out cannot have more than a ring of them. */
static void outstanding_are_counted(void **state)
{
	struct env *v = *state;
	struct blk_job *jobs;
	struct blk_job *more;

	for (uint32_t i = 0; i < BLK_REQUESTS; i++)
		put(v, rw(BLKIF_OP_READ, 16 * i, 1, 1));
	assert_int_equal(blkback_poll(&v->b, v->s, &jobs, &v->e), 0);
	assert_int_equal(v->b.running, BLK_REQUESTS);
	v->front.page->req_prod = BLK_REQUESTS + 1;
	assert_int_equal(blkback_poll(&v->b, v->s, &more, &v->e), -EPROTO);
	assert_null(more);
	for (struct blk_job *next; jobs; jobs = next) {
		next = jobs->next;
		blk_finish(jobs);
	}
}

static void nowait_leaves_what_would_wait(void **state)
{
	struct env *v = *state;
	struct blk_job *job;

	put(v, rw(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 0));
	put(v, rw(BLKIF_OP_WRITE, 0, 1, 1));
	put(v, discard(0, 0, 8));
	assert_int_equal(blkback_poll(&v->b, v->s, &job, &v->e), 0);
	for (struct blk_job *next; job; job = next) {
		next = job->next;
		assert_false(blk_run(job, v->s, true));
		blk_finish(job);
	}
	put(v, rw(BLKIF_OP_READ, 0, 1, 1));
	assert_int_equal(blkback_poll(&v->b, v->s, &job, &v->e), 0);
	/* a kernel whose tmpfs cannot tell says so */
	assert_true(blk_run(job, v->s, true) || v->b.no_nowait || blk_run(job, v->s, false));
	blk_finish(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(write_and_read),
		T(parts_of_pages),
		T(neighbours_are_joined),
		T(indirect_segments),
		T(indirect_refused),
		T(refused),
		T(read_only),
		T(discards),
		T(bad_grants),
		T(short_file),
		T(file_errors),
		T(failed_reads_tell_nothing),
		T(left_rings),
		T(impossible_index),
		T(outstanding_are_counted),
		T(nowait_leaves_what_would_wait),
	};

	return cmocka_run_group_tests_name("backend_blk", tests, NULL, NULL);
}
