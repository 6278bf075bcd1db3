/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads for long work: files, streams, builds and destroys, with a queue for each. */
#include "split-toolstack/engine/services/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/xen.h"
#include "split-toolstack/engine/services/tail.h"

/* Number of files that may hang before others wait for them. */
#define FILE_THREADS 16u
/* Xen handles that are kept for streams; each has open files and mappings. */
#define STREAM_HANDLES 2u
/* When the engine closes it waits this long for files that hang. */
#define FILES_END_S 2
/* A destroy uses a CPU of dom0 for the whole hypercall, and a woken thread is scheduled before a
 * client that has its answer: so it begins when a command has had the time to end. */
#define DESTROY_DELAY_S 0.003

struct queue {
	struct worker *w;
	struct xen *x;			  /* NULL: of files and streams */
	struct xen *kept[STREAM_HANDLES]; /* of streams, which no job uses now */
	uint32_t nkept, most_kept;
	pthread_cond_t wake;
	struct worker_job *todo, **todo_tail;
	uint32_t waiting; /* jobs of todo */
	uint32_t most, threads, idle;
	bool ending;
};

struct worker {
	struct worker *left_before; /* see worker_close() */
	struct ev_loop *loop;
	pthread_mutex_t lock; /* guards the queues and the four fields below */
	pthread_cond_t left;  /* a thread has ended */
	struct queue queue[WORKER_QUEUES];
	struct worker_job *done;
	struct worker_job *later, **later_tail; /* destroys that have not begun; of the loop */
	ev_timer begin;				/* ... then they do */
	bool stuck;				/* threads were left behind: they still use this */
	ev_async finished;
	ev_prepare tell; /* wakes the threads when the loop has answered its clients */
};

static struct worker_job *next_job(struct queue *q)
{
	struct worker_job *job = q->todo;

	if (!job)
		return NULL;
	q->waiting--;
	q->todo = job->next;
	if (!q->todo)
		q->todo_tail = &q->todo;
	return job;
}

/* Called with the lock held. Returns a handle for a job of streams: a kept one, or a new one,
 * which is opened without the lock. */
static struct xen *take_handle(struct queue *q)
{
	struct err e = {0};
	struct xen *x = NULL;

	if (q->x || !q->most_kept)
		return q->x;
	if (q->nkept)
		return q->kept[--q->nkept];
	(void)pthread_mutex_unlock(&q->w->lock);
	if (xen_open(&x, &e) < 0) {
		log_line(LOG_WARN, "a thread of saves and restores: %s", e.msg);
		x = NULL;
	}
	(void)pthread_mutex_lock(&q->w->lock);
	return x;
}

/* The lock is held. */
static void put_handle(struct queue *q, struct xen *x)
{
	if (!x || x == q->x)
		return;
	if (q->nkept < q->most_kept && !q->ending)
		q->kept[q->nkept++] = x;
	else
		xen_close(x);
}

static void *run(void *arg)
{
	struct queue *q = arg;
	struct worker *w = q->w;
	struct sched_param batch = {0};

	(void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &batch);
	if (!q->x) /* makes no long hypercalls */
		tail_unpin();
	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		struct worker_job *job = next_job(q);
		struct xen *x;

		if (!job) {
			if (q->ending)
				break;
			q->idle++;
			(void)pthread_cond_wait(&q->wake, &w->lock);
			q->idle--;
			continue;
		}
		x = take_handle(q);
		(void)pthread_mutex_unlock(&w->lock);
		job->work(job, x);
		(void)pthread_mutex_lock(&w->lock);
		put_handle(q, x);
		job->next = w->done;
		w->done = job;
		if (!w->stuck) /* else there is no loop any more */
			ev_async_send(w->loop, &w->finished);
	}
	q->threads--;
	(void)pthread_cond_signal(&w->left);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Jobs finished since the last time, oldest first. */
static struct worker_job *take_done(struct worker *w)
{
	struct worker_job *in;
	struct worker_job *out = NULL;

	(void)pthread_mutex_lock(&w->lock);
	in = w->done;
	w->done = NULL;
	(void)pthread_mutex_unlock(&w->lock);
	while (in) {
		struct worker_job *next = in->next;

		in->next = out;
		out = in;
		in = next;
	}
	return out;
}

static void call_done(struct worker *w)
{
	struct worker_job *next;

	for (struct worker_job *job = take_done(w); job; job = next) {
		next = job->next;
		job->done(job);
	}
}

static void on_finished(struct ev_loop *loop, ev_async *a, int revents)
{
	(void)loop;
	(void)revents;
	call_done(a->data);
}

/* The lock is held. */
static int start_thread(struct queue *q)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	sigset_t old;
	int rc;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, run, q);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (rc == 0)
		q->threads++;
	return rc;
}

/* Answers are sent before long hypercalls, and a woken thread preempts nothing (SCHED_BATCH). */
static void on_tell(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct worker *w = p->data;

	(void)revents;
	ev_prepare_stop(loop, p);
	(void)pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < WORKER_QUEUES; i++) {
		struct queue *q = &w->queue[i];

		if (!q->todo)
			continue;
		/* If it cannot be started, an existing thread does the job later. */
		for (uint32_t n = q->idle; n < q->waiting && q->threads < q->most; n++)
			if (start_thread(q) != 0)
				break;
		(void)pthread_cond_broadcast(&q->wake);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

/* The lock is not held. */
static void enqueue(struct worker *w, enum worker_queue i, struct worker_job *job)
{
	struct queue *q = &w->queue[i];

	job->next = NULL;
	(void)pthread_mutex_lock(&w->lock);
	*q->todo_tail = job;
	q->todo_tail = &job->next;
	q->waiting++;
	(void)pthread_mutex_unlock(&w->lock);
	ev_prepare_start(w->loop, &w->tell);
}

static void begin_destroys(struct worker *w)
{
	struct worker_job *next;

	ev_timer_stop(w->loop, &w->begin);
	for (struct worker_job *job = w->later; job; job = next) {
		next = job->next;
		enqueue(w, WORKER_DESTROYS, job);
	}
	w->later = NULL;
	w->later_tail = &w->later;
}

static void on_begin(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	begin_destroys(t->data);
}

/* Of one queue; waits until its threads have ended. */
static void end_queue(struct worker *w, struct queue *q)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FILES_END_S;
	(void)pthread_mutex_lock(&w->lock);
	q->ending = true;
	(void)pthread_cond_broadcast(&q->wake);
	while (q->threads) {
		if (q->x)
			(void)pthread_cond_wait(&w->left, &w->lock);
		else if (pthread_cond_timedwait(&w->left, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	if (q->threads)
		w->stuck = true;
	(void)pthread_mutex_unlock(&w->lock);
	call_done(w);
}

static void free_worker(struct worker *w)
{
	for (uint32_t i = 0; i < WORKER_QUEUES; i++) {
		struct queue *q = &w->queue[i];

		xen_close(q->x);
		while (q->nkept)
			xen_close(q->kept[--q->nkept]);
		(void)pthread_cond_destroy(&q->wake);
	}
	(void)pthread_cond_destroy(&w->left);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

static int open_queue(struct worker *w, enum worker_queue i, struct err *e)
{
	struct queue *q = &w->queue[i];
	bool files = i == WORKER_FILES || i == WORKER_STREAMS;
	int rc = files ? 0 : xen_open(&q->x, e);

	if (rc < 0)
		return rc;
	q->most = files ? FILE_THREADS : 1;
	q->most_kept = i == WORKER_STREAMS ? STREAM_HANDLES : 0;
	(void)pthread_mutex_lock(&w->lock);
	rc = start_thread(q);
	(void)pthread_mutex_unlock(&w->lock);
	return rc ? err_sys(e, rc, "start a worker thread") : 0;
}

int worker_open(struct ev_loop *loop, struct worker **out, struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc = 0;

	*out = NULL;
	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->loop = loop;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->left, NULL);
	ev_async_init(&w->finished, on_finished);
	w->finished.data = w;
	ev_prepare_init(&w->tell, on_tell);
	w->tell.data = w;
	ev_timer_init(&w->begin, on_begin, DESTROY_DELAY_S, 0.);
	w->begin.data = w;
	w->later_tail = &w->later;
	for (uint32_t i = 0; i < WORKER_QUEUES; i++) {
		w->queue[i].w = w;
		w->queue[i].todo_tail = &w->queue[i].todo;
		(void)pthread_cond_init(&w->queue[i].wake, NULL);
	}
	for (uint32_t i = 0; i < WORKER_QUEUES && rc == 0; i++)
		rc = open_queue(w, i, e);
	ev_async_start(loop, &w->finished);
	if (rc < 0)
		(void)worker_close(w);
	else
		*out = w;
	return rc;
}

bool worker_close(struct worker *w)
{
	static struct worker *left; /* those that threads which hang still use */

	if (!w)
		return true;
	/* In this order: builds use files that were opened; builds that fail are destroyed. */
	for (uint32_t i = 0; i < WORKER_QUEUES; i++) {
		if (i == WORKER_DESTROYS)
			begin_destroys(w);
		end_queue(w, &w->queue[i]);
	}
	ev_async_stop(w->loop, &w->finished);
	ev_prepare_stop(w->loop, &w->tell);
	if (w->stuck) { /* the end of the process frees it */
		w->left_before = left;
		left = w;
		return false;
	}
	free_worker(w);
	return true;
}

void worker_hurry(struct worker *w)
{
	if (w)
		begin_destroys(w);
}

void worker_push(struct worker *w, enum worker_queue i, struct worker_job *job)
{
	struct queue *q = &w->queue[i];

	if (q->ending) { /* pushed by the end of the last job: the threads have ended */
		job->work(job, q->x);
		job->done(job);
		return;
	}
	if (i != WORKER_DESTROYS) {
		enqueue(w, i, job);
		return;
	}
	job->next = NULL;
	*w->later_tail = job;
	w->later_tail = &job->next;
	if (!ev_is_active(&w->begin)) {
		ev_timer_init(&w->begin, on_begin, DESTROY_DELAY_S, 0.);
		ev_timer_start(w->loop, &w->begin);
	}
}
