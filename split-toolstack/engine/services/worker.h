/* SPDX-License-Identifier: BSD-3-Clause */
/* What takes long runs on threads, in queues that do not wait for each other. */
#ifndef CHAOS_ENGINE_SERVICES_WORKER_H
#define CHAOS_ENGINE_SERVICES_WORKER_H

#include <stdbool.h>

#include <ev.h>

#include "base/err.h"

struct worker;
struct xen;

/* Up to here a build is short enough for the loop; and so is, of an image, memory that is mapped
 * and written. */
#define INLINE_MEM_KIB	   (16u << 10)
#define INLINE_IMAGE_BYTES (1u << 20)

/* Jobs of one queue begin in the order in which they were pushed. */
enum worker_queue {
	/* What may hang with a file system. Several threads: a file that does not answer holds up
	 * no other one. `work` has no Xen handle (NULL) and touches memory of the job
	 * and of its owner that is left to it: a job that still hangs when the worker closes is
	 * left behind. */
	WORKER_FILES,
	/* Files and pipes of clients, which take as long as these. Each job has a Xen handle to
	 * itself: NULL when none can be opened. What is under way is bounded by who pushes. */
	WORKER_STREAMS,
	WORKER_BUILDS,	 /* one thread */
	WORKER_DESTROYS, /* one thread: mappings of a domain go before the domain */
	WORKER_QUEUES,
};

struct worker_job {
	void (*work)(struct worker_job *job, struct xen *x); /* on a thread of the queue */
	void (*done)(struct worker_job *job);		     /* on the loop; may free the job */
	struct worker_job *next;
};

/* Opens a Xen handle each for builds and destroys, and starts a thread of each queue. */
int worker_open(struct ev_loop *loop, struct worker **out, struct err *e);
/* Jobs under way end first, then `done` is called for all. False: files still hang after a moment,
 * and their threads were left behind; they go with the process. NULL is fine. */
bool worker_close(struct worker *w);
/* The job is the worker's until `done`. The threads wake when the loop has answered its clients;
 * destroys begin some milliseconds later. */
void worker_push(struct worker *w, enum worker_queue q, struct worker_job *job);

/* Destroys that have not begun begin now: their memory is wanted. NULL is fine. */
void worker_hurry(struct worker *w);

#endif
