/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loop and the mirror's thread hand to each other; part of mirror.c. */
#ifndef CHAOS_ENGINE_DEVICES_MIRROR_QUEUE_H
#define CHAOS_ENGINE_DEVICES_MIRROR_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum mirror_op { OP_PUT, OP_RM, OP_TRANSACTION, OP_FOLLOW, OP_UNFOLLOW, OP_TELL, OP_STOP };

/* A request to the thread, or (as OP_PUT and OP_RM) news from it. OP_TELL goes there and back. */
struct mirror_item {
	struct mirror_item *next;
	struct mirror_item *sub; /* of a transaction */
	enum mirror_op op;
	uint32_t len;  /* OP_TELL: its key */
	uint64_t done; /* news: so many requests had been done before it was read */
	char *value;   /* behind the path; NULL: none */
	char path[];
};

struct mirror_queue {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct mirror_item *first, **last;
	uint32_t n;
	uint64_t bytes, most; /* that wait; and may: 0: any number */
};

/* NULL: no memory. */
struct mirror_item *mirror_item_new(enum mirror_op op, const char *path, const char *value,
				    uint32_t len);
void mirror_item_free(struct mirror_item *i);

void mirror_queue_init(struct mirror_queue *q, uint64_t most);
void mirror_queue_destroy(struct mirror_queue *q); /* with what waits */
/* Waits until there is room: one item has it in any case when the queue is empty. */
void mirror_push(struct mirror_queue *q, struct mirror_item *i);
struct mirror_item *mirror_pop(struct mirror_queue *q); /* NULL: it is empty */
/* From now on there is room for all. */
void mirror_queue_open(struct mirror_queue *q);
uint32_t mirror_queue_length(struct mirror_queue *q);

#endif
