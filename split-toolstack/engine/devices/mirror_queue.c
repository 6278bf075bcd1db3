/* SPDX-License-Identifier: BSD-3-Clause */
/* The queues between the loop and the mirror's thread, with the size of their items. */
#include "split-toolstack/engine/devices/mirror_queue.h"

#include <stdlib.h>
#include <string.h>

static uint64_t size_of(const struct mirror_item *i)
{
	return sizeof(*i) + strlen(i->path) + 1 + (i->value ? i->len + 1u : 0);
}

void mirror_item_free(struct mirror_item *i)
{
	while (i->sub) {
		struct mirror_item *first = i->sub;

		i->sub = first->next;
		free(first);
	}
	free(i);
}

struct mirror_item *mirror_item_new(enum mirror_op op, const char *path, const char *value,
				    uint32_t len)
{
	size_t n = strlen(path) + 1;
	struct mirror_item *i = malloc(sizeof(*i) + n + (value ? len + 1u : 0));

	if (!i)
		return NULL;
	*i = (struct mirror_item){.op = op, .len = len};
	i->value = value ? i->path + n : NULL;
	memcpy(i->path, path, n);
	if (value) {
		memcpy(i->value, value, len);
		i->value[len] = '\0';
	}
	return i;
}

void mirror_queue_init(struct mirror_queue *q, uint64_t most)
{
	*q = (struct mirror_queue){.most = most};
	q->last = &q->first;
	(void)pthread_mutex_init(&q->lock, NULL);
	(void)pthread_cond_init(&q->room, NULL);
}

void mirror_queue_destroy(struct mirror_queue *q)
{
	struct mirror_item *i;

	while ((i = mirror_pop(q)) != NULL)
		mirror_item_free(i);
	(void)pthread_cond_destroy(&q->room);
	(void)pthread_mutex_destroy(&q->lock);
}

void mirror_push(struct mirror_queue *q, struct mirror_item *i)
{
	uint64_t bytes = size_of(i);

	i->next = NULL; /* it may come from another queue */
	(void)pthread_mutex_lock(&q->lock);
	while (q->first && q->most && q->bytes + bytes > q->most)
		(void)pthread_cond_wait(&q->room, &q->lock);
	*q->last = i;
	q->last = &i->next;
	q->n++;
	q->bytes += bytes;
	(void)pthread_mutex_unlock(&q->lock);
}

struct mirror_item *mirror_pop(struct mirror_queue *q)
{
	struct mirror_item *i;

	(void)pthread_mutex_lock(&q->lock);
	i = q->first;
	if (i) {
		q->first = i->next;
		if (!q->first)
			q->last = &q->first;
		q->n--;
		q->bytes -= size_of(i);
		if (q->most)
			(void)pthread_cond_signal(&q->room);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return i;
}

void mirror_queue_open(struct mirror_queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->most = 0;
	(void)pthread_cond_signal(&q->room);
	(void)pthread_mutex_unlock(&q->lock);
}

uint32_t mirror_queue_length(struct mirror_queue *q)
{
	uint32_t n;

	(void)pthread_mutex_lock(&q->lock);
	n = q->n;
	(void)pthread_mutex_unlock(&q->lock);
	return n;
}
