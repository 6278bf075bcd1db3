/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that run disk jobs: a queue for each device, and devices that take turns. */
#include "backend/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct blk_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct blk_queue *first; /* devices with jobs, the next one first */
	struct blk_queue *last;
	struct blk_job *done;
	struct blk_job **done_tail;
	void (*wake)(void *arg);
	void *arg;
	bool stop;
	int idle;
	int threads;
	pthread_t thread[BLK_THREADS];
	struct blk_scratch *scratch[BLK_THREADS];
	int next_scratch;
};

static void put_last(struct blk_pool *p, struct blk_queue *q)
{
	q->next = NULL;
	if (p->last)
		p->last->next = q;
	else
		p->first = q;
	p->last = q;
}

/* The next device's next job. */
static struct blk_job *get(struct blk_pool *p)
{
	struct blk_queue *q = p->first;
	struct blk_job *job = q->first;

	p->first = q->next;
	if (!p->first)
		p->last = NULL;
	q->first = job->next;
	job->next = NULL;
	if (q->first)
		put_last(p, q);
	else
		q->last = NULL;
	return job;
}

static void *run(void *arg)
{
	struct blk_pool *p = arg;
	struct blk_scratch *s;

	(void)pthread_mutex_lock(&p->lock);
	s = p->scratch[p->next_scratch++];
	while (!p->stop) {
		struct blk_job *job;
		bool first;

		if (!p->first) {
			p->idle++;
			(void)pthread_cond_wait(&p->more, &p->lock);
			p->idle--;
			continue;
		}
		job = get(p);
		(void)pthread_mutex_unlock(&p->lock);
		(void)blk_run(job, s, false);
		(void)pthread_mutex_lock(&p->lock);
		first = !p->done;
		*p->done_tail = job;
		p->done_tail = &job->next;
		if (first)
			p->wake(p->arg);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

void blk_pool_add(struct blk_pool *p, struct blk_queue *q, struct blk_job *jobs)
{
	struct blk_job *last = jobs;
	int n = 1;

	for (; last->next; last = last->next)
		n++;
	(void)pthread_mutex_lock(&p->lock);
	if (q->last) {
		q->last->next = jobs;
	} else {
		q->first = jobs;
		put_last(p, q);
	}
	q->last = last;
	for (n = n < p->idle ? n : p->idle; n > 0; n--)
		(void)pthread_cond_signal(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
}

struct blk_job *blk_pool_take(struct blk_pool *p)
{
	struct blk_job *jobs;

	(void)pthread_mutex_lock(&p->lock);
	jobs = p->done;
	p->done = NULL;
	p->done_tail = &p->done;
	(void)pthread_mutex_unlock(&p->lock);
	return jobs;
}

int blk_pool_new(struct blk_pool **out, uint8_t *area, void (*done)(void *arg), void *arg,
		 struct err *e)
{
	struct blk_pool *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->more, NULL);
	p->done_tail = &p->done;
	p->wake = done;
	p->arg = arg;
	for (int i = 0; i < BLK_THREADS && rc == 0; i++) {
		p->scratch[i] = blk_scratch_new(area + (size_t)i * BLK_SEGMENTS * BLK_PAGE);
		rc = p->scratch[i] ? pthread_create(&p->thread[i], NULL, run, p) : ENOMEM;
		if (rc == 0)
			p->threads++;
	}
	if (rc != 0) {
		blk_pool_free(p);
		return err_sys(e, rc, "start the disk threads");
	}
	*out = p;
	return 0;
}

static void drop(struct blk_job *jobs)
{
	while (jobs) {
		struct blk_job *next = jobs->next;

		free(jobs);
		jobs = next;
	}
}

void blk_pool_free(struct blk_pool *p)
{
	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->threads; i++)
		(void)pthread_join(p->thread[i], NULL);
	for (; p->first; p->first = p->first->next)
		drop(p->first->first);
	drop(p->done);
	for (int i = 0; i < BLK_THREADS; i++)
		blk_scratch_free(p->scratch[i]);
	(void)pthread_cond_destroy(&p->more);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}
