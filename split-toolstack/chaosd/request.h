/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, and the table of operations that answer them. */
#ifndef CHAOS_REQUEST_H
#define CHAOS_REQUEST_H

#include "split-toolstack/chaosd/conn.h"
#include "split-toolstack/engine/engine.h"

/* One request, parsed; its files are closed after the operation unless it takes them (sets -1). */
struct request {
	struct conn *c;
	struct wire_in in;
	int fd[PROTO_FDS_MAX];
	uint32_t nfd;
};

/* 0: answered, or will be; else the error to answer with. */
typedef int operation(struct engine *en, struct request *r, struct err *e);

/* What a server does with requests (ops.c). */
struct operations {
	operation *run[PROTO_REQUESTS_N]; /* in the order of their numbers */
	/* Before the first connection; after the last one is gone. */
	int (*open)(struct engine *en, struct conns *all, struct err *e);
	void (*close)(void);
};

/* The VM that WHAT names; -ESRCH with a message. */
int request_vm(struct engine *en, const struct request *r, struct vm **out, struct err *e);

/* Tells the client which keys do nothing here. */
struct vmcfg_list;
void reply_warnings(struct conn *c, uint32_t tag, const struct vmcfg_list *l);

#endif
