/* SPDX-License-Identifier: BSD-3-Clause */
/* One thread with a Xen handle of its own, for hypercalls that take long. Jobs run in order. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "split-toolstack/engine/private.h"

struct worker {
	struct engine *en;
	struct xen *x;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the four fields below */
	pthread_cond_t wake;
	struct worker_job *todo, **todo_tail;
	struct worker_job *done;
	bool ending;
	ev_async finished;
	ev_prepare tell; /* wakes the thread when the loop has answered its clients */
};

static void *run(void *arg)
{
	struct worker *w = arg;
	struct sched_param batch = {0};

	(void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &batch);
	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		struct worker_job *job = w->todo;

		if (!job) {
			if (w->ending)
				break;
			(void)pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		w->todo = job->next;
		if (!w->todo)
			w->todo_tail = &w->todo;
		(void)pthread_mutex_unlock(&w->lock);
		job->work(job, w->x);
		(void)pthread_mutex_lock(&w->lock);
		job->next = w->done;
		w->done = job;
		ev_async_send(w->en->loop, &w->finished);
	}
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

/* A destroy holds a CPU for as long as its hypercall takes: answers go out before that, and a woken
 * worker preempts nobody (SCHED_BATCH). */
static void on_tell(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct worker *w = p->data;

	(void)revents;
	ev_prepare_stop(loop, p);
	(void)pthread_mutex_lock(&w->lock);
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

int worker_open(struct engine *en, struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	sigset_t all;
	sigset_t old;
	int rc;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->en = en;
	w->todo_tail = &w->todo;
	rc = xen_open(&w->x, e);
	if (rc < 0) {
		free(w);
		return rc;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->wake, NULL);
	ev_async_init(&w->finished, on_finished);
	w->finished.data = w;
	ev_prepare_init(&w->tell, on_tell);
	w->tell.data = w;
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, run, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		xen_close(w->x);
		free(w);
		return err_sys(e, rc, "start the worker thread");
	}
	ev_async_start(en->loop, &w->finished);
	en->worker = w;
	return 0;
}

void worker_close(struct engine *en)
{
	struct worker *w = en->worker;

	if (!w)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->ending = true;
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	ev_async_stop(en->loop, &w->finished);
	ev_prepare_stop(en->loop, &w->tell);
	call_done(w);
	xen_close(w->x);
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	en->worker = NULL;
}

void worker_push(struct engine *en, struct worker_job *job)
{
	struct worker *w = en->worker;

	if (w->ending) { /* a job that ended the last one left behind: the thread is gone */
		job->work(job, w->x);
		job->done(job);
		return;
	}
	job->next = NULL;
	(void)pthread_mutex_lock(&w->lock);
	*w->todo_tail = job;
	w->todo_tail = &job->next;
	(void)pthread_mutex_unlock(&w->lock);
	ev_prepare_start(en->loop, &w->tell);
}
