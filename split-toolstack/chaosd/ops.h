/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations of chaosd: each in its file, all in the table of ops.c. */
#ifndef CHAOS_OPS_H
#define CHAOS_OPS_H

#include "split-toolstack/chaosd/request.h"

/* All of them, for server_open(). */
extern const struct operations operations;

/* op_stream.c: listens to the engine for waits and consoles. */
void streams_open(struct engine *en);
void streams_close(void);
/* op_events.c. -ENOMEM. */
int subscriptions_open(struct engine *en, struct conns *all, struct err *e);
void subscriptions_close(void);
/* op_list.c */
void lists_open(struct ev_loop *loop);
void lists_close(void);

int op_create(struct engine *en, struct request *r, struct err *e);
int op_list(struct engine *en, struct request *r, struct err *e);
int op_wait(struct engine *en, struct request *r, struct err *e);
int op_console(struct engine *en, struct request *r, struct err *e);
int op_pool(struct engine *en, struct request *r, struct err *e);
int op_pool_set(struct engine *en, struct request *r, struct err *e);
int op_events(struct engine *en, struct request *r, struct err *e);
int op_images(struct engine *en, struct request *r, struct err *e);
int op_image_import(struct engine *en, struct request *r, struct err *e);
int op_image_rm(struct engine *en, struct request *r, struct err *e);
int op_attach(struct engine *en, struct request *r, struct err *e);
int op_detach(struct engine *en, struct request *r, struct err *e);
int op_devices(struct engine *en, struct request *r, struct err *e);
int op_input(struct engine *en, struct request *r, struct err *e);

#endif
