/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads that run disk jobs. */
#include "tests/unit/backend/backend_blk.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "backend/pool.h"

static void wake(void *arg)
{
	assert_int_equal(eventfd_write(*(int *)arg, 1), 0);
}

static void threads_run_jobs(void **state)
{
	struct env *v = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct blk_queue q = {0};
	struct blk_pool *pool;
	uint32_t left = 0;

	uint8_t *area = aligned_alloc(BLK_PAGE, (size_t)BLK_THREADS * BLK_SEGMENTS * BLK_PAGE);

	assert_non_null(area);
	assert_int_equal(blk_pool_new(&pool, area, wake, &fd, &v->e), 0);
	for (int round = 0; round < 50; round++) {
		struct blk_job *jobs;

		for (uint32_t i = 0; left < BLK_REQUESTS; i++, left++)
			put(v, rw(round & 1 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 16 * i, i, 1));
		assert_int_equal(blkback_poll(&v->b, v->s, &jobs, &v->e), 0);
		if (jobs)
			blk_pool_add(pool, &q, jobs);
		do {
			struct pollfd p = {.fd = fd, .events = POLLIN};
			eventfd_t n;

			assert_int_equal(poll(&p, 1, 60000), 1);
			assert_int_equal(eventfd_read(fd, &n), 0);
			jobs = blk_pool_take(pool);
		} while (!jobs);
		for (struct blk_job *next; jobs; jobs = next) {
			next = jobs->next;
			blk_finish(jobs);
		}
		blkback_publish(&v->b);
		for (struct blkif_response r = {0}; front_get(&v->front, &r, sizeof(r)); left--)
			assert_int_equal(r.status, BLKIF_RSP_OKAY);
	}
	blk_pool_free(pool); /* with jobs left in it */
	free(area);
	v->b.running = 0;
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {T(threads_run_jobs)};

	return cmocka_run_group_tests_name("backend_pool", tests, NULL, NULL);
}
