/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that run disk jobs, so that a slow disk delays neither the loop nor other disks. */
#ifndef NOXS_BACKEND_POOL_H
#define NOXS_BACKEND_POOL_H

#include "backend/blkback.h"

#define BLK_THREADS 4

struct blk_pool;

/* The jobs of one device that wait for a thread; zeroed before use, then used only by the pool. */
struct blk_queue {
	struct blk_queue *next;
	struct blk_job *first;
	struct blk_job *last;
};

/* Starts the threads; `area` has BLK_SEGMENTS pages for each and must exist longer. `done` is
 * called on one of them, with `arg`, when the list of finished jobs is not empty any more: it
 * must wake the loop. */
int blk_pool_new(struct blk_pool **out, uint8_t *area, void (*done)(void *arg), void *arg,
		 struct err *e);
/* Waits for running jobs, and drops those that have not started. NULL is allowed. */
void blk_pool_free(struct blk_pool *p);

/* Adds a list of jobs of one device. The devices take turns. */
void blk_pool_add(struct blk_pool *p, struct blk_queue *q, struct blk_job *jobs);

/* Returns a list of all jobs that have finished since the last call; call blk_finish() for each. */
struct blk_job *blk_pool_take(struct blk_pool *p);

#endif
