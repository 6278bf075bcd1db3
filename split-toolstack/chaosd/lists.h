/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers with an item for each of many: one piece in each turn of the loop, so that other requests
 * wait for a piece and not for the whole list; and only as much as the client reads. */
#ifndef CHAOS_LISTS_H
#define CHAOS_LISTS_H

#include "split-toolstack/chaosd/request.h"

struct list;

struct list_ops {
	/* Sends up to `most` items. 1: there are more; 0: the end; -errno: an error is sent. */
	int (*more)(struct list *t, uint32_t most, struct err *e);
	/* It will be freed. */
	void (*close)(struct list *t);
};

/* The first member of the struct that embeds it, which is freed at the end. */
struct list {
	struct conn_hook hook;
	struct list *prev, *next; /* list of those that have their turn, or of those that wait */
	const struct list_ops *ops;
	struct conn *c;
	uint32_t tag;
	bool waits; /* for its client */
};

/* Allocates `bytes` for a list; it is freed with free() if list_begin() is not called. -EBUSY,
 * -ENOMEM. */
int list_new(struct request *r, const struct list_ops *ops, size_t bytes, struct list **out,
	     struct err *e);
/* Sends the first piece. */
void list_begin(struct list *t);

void lists_open(struct ev_loop *loop);
void lists_close(void);

#endif
