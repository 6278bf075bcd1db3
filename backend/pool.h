/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that run disk jobs, so that a slow disk stalls neither the loop nor other disks. */
#ifndef NOXS_BACKEND_POOL_H
#define NOXS_BACKEND_POOL_H

#include "backend/blkback.h"

#define BLK_THREADS 4

struct blk_pool;

/* A device's jobs that wait for a thread; zero at first, the pool's from then on. */
struct blk_queue {
	struct blk_queue *next;
	struct blk_job *first;
	struct blk_job *last;
};

/* Starts the threads; `area` has BLK_SEGMENTS pages for each and outlives them. `done` is called on
 * one of them, with `arg`, when the list of finished jobs is no longer empty: wake the loop there.
 */
int blk_pool_new(struct blk_pool **out, uint8_t *area, void (*done)(void *arg), void *arg,
		 struct err *e);
/* Waits for the jobs that run; jobs that wait are dropped. NULL is fine. */
void blk_pool_free(struct blk_pool *p);

/* Hands a list of jobs (one device's) to the threads. Devices take turns. */
void blk_pool_add(struct blk_pool *p, struct blk_queue *q, struct blk_job *jobs);

/* All jobs finished since the last call, as a list; each is for blk_finish(). */
struct blk_job *blk_pool_take(struct blk_pool *p);

#endif
