/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, and the type of the table of operations. */
#ifndef CHAOS_REQUEST_H
#define CHAOS_REQUEST_H

#include "split-toolstack/chaosd/conn.h"
#include "split-toolstack/engine/engine.h"

/* A parsed request; its files are closed after the operation, unless the operation takes them
 * (sets -1). */
struct request {
	struct conn *c;
	struct wire_in in;
	int fd[PROTO_FDS_MAX];
	uint32_t nfd;
};

/* Returns 0 if it was answered, or will be; otherwise the error to answer with. */
typedef int operation(struct engine *en, struct request *r, struct err *e);

/* The operations for a server (ops.c). */
struct operations {
	operation *run[PROTO_REQUESTS_N]; /* in the order of their numbers */
	/* Called before the first connection, and after the last one. */
	int (*open)(struct engine *en, struct conns *all, struct err *e);
	void (*close)(void);
};

/* Finds the VM of field WHAT; -ESRCH with a message. */
int request_vm(struct engine *en, const struct request *r, struct vm **out, struct err *e);

/* The file of this field; the request closes it unless it is taken. -EPROTO: none was passed. */
int request_file(struct request *r, uint16_t field, int **file, struct err *e);
int request_take(int *file); /* the descriptor, which the caller closes from now on */

/* Sends the last answer of a stream: numbers of it, or the error. */
struct stream_stats;
void reply_stream(struct conn *c, uint32_t tag, const char *vm, const struct stream_stats *st,
		  int rc, const struct err *e);
/* Sends a warning about keys without effect. */
struct vmcfg_list;
void reply_warnings(struct conn *c, uint32_t tag, const struct vmcfg_list *l);

#endif
