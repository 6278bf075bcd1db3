/* SPDX-License-Identifier: BSD-3-Clause */
/* The queues between the loop and the mirror's thread; part of mirror.c. */
#ifndef CHAOS_ENGINE_DEVICES_MIRROR_QUEUE_H
#define CHAOS_ENGINE_DEVICES_MIRROR_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum mirror_op {
	OP_PUT,
	OP_PUT_NEW,
	OP_RM,
	OP_TRANSACTION,
	OP_FOLLOW,
	OP_UNFOLLOW,
	OP_TELL,
	OP_STOP
};

/* A request to the thread, or (as OP_PUT and OP_RM) news from it. OP_TELL goes there and back. */
struct mirror_item {
	struct mirror_item *next;
	struct mirror_item *sub; /* requests of a transaction */
	enum mirror_op op;
	uint32_t len;  /* OP_TELL: its key */
	uint64_t done; /* a change: number of requests done when it was read */
	char *value;   /* follows the path; NULL: none */
	char path[];
};

struct mirror_queue {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct mirror_item *first, **last;
	uint32_t n;
	uint64_t bytes, most; /* size of queued items; limit, 0: none */
};

struct xs_handle;
/* mirror_do.c: OP_PUT, OP_PUT_NEW or OP_RM, in a transaction (XBT_NULL: none); false: errno. */
bool mirror_do(struct xs_handle *xs, uint32_t t, const struct mirror_item *i);

/* NULL: out of memory. */
struct mirror_item *mirror_item_new(enum mirror_op op, const char *path, const char *value,
				    uint32_t len);
void mirror_item_free(struct mirror_item *i);

void mirror_queue_init(struct mirror_queue *q, uint64_t most);
void mirror_queue_destroy(struct mirror_queue *q); /* also frees queued items */
/* Waits until there is room; an empty queue takes any item. */
void mirror_push(struct mirror_queue *q, struct mirror_item *i);
struct mirror_item *mirror_pop(struct mirror_queue *q); /* NULL: the queue is empty */
/* Removes the limit. */
void mirror_queue_open(struct mirror_queue *q);
uint32_t mirror_queue_length(struct mirror_queue *q);

#endif
