/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs long work on threads, in queues that do not wait for each other. */
#ifndef CHAOS_ENGINE_SERVICES_WORKER_H
#define CHAOS_ENGINE_SERVICES_WORKER_H

#include <stdbool.h>

#include <ev.h>

#include "base/err.h"

struct worker;
struct xen;

/* A guest with at most this much memory can be built on the loop. So can an image for which at
 * most this much memory is mapped and written. */
#define INLINE_MEM_KIB	   (16u << 10)
#define INLINE_IMAGE_BYTES (1u << 20)

/* Jobs of one queue start in the order in which they were pushed. */
enum worker_queue {
	/* Work that may hang with a file system. There are several threads, so that a file that
	 * hangs does not delay others. `work` gets no Xen handle (NULL), and may only use memory
	 * that belongs to the job: a job that still hangs when the worker closes is left behind. */
	WORKER_FILES,
	/* Reading and writing files and pipes of clients, which takes as long as the clients
	 * need. Each job has its own Xen handle: NULL if none can be opened. The code that
	 * pushes jobs limits their number. */
	WORKER_STREAMS,
	WORKER_BUILDS,	 /* one thread */
	WORKER_DESTROYS, /* one thread: mappings of a domain are removed before the domain */
	WORKER_QUEUES,
};

struct worker_job {
	void (*work)(struct worker_job *job, struct xen *x); /* called on a thread of the queue */
	void (*done)(struct worker_job *job); /* called on the loop; may free the job */
	struct worker_job *next;
};

/* Opens Xen handles for builds and destroys, and starts a thread for each queue. */
int worker_open(struct ev_loop *loop, struct worker **out, struct err *e);
/* Waits for running jobs, then calls `done` for all. False: some files still hang after a
 * moment; their threads are left behind and end with the process. NULL is allowed. */
bool worker_close(struct worker *w);
/* The worker owns the job until `done` is called. Threads start after the loop has answered its
 * clients; destroys start some milliseconds later. */
void worker_push(struct worker *w, enum worker_queue q, struct worker_job *job);

/* Starts destroys that have not started now, because their memory is needed. NULL is allowed. */
void worker_hurry(struct worker *w);

#endif
