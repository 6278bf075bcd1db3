/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's socket: connections, frames in and out, and the table of operations. */
#ifndef CHAOS_SERVER_H
#define CHAOS_SERVER_H

#include <sys/types.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/protocol/wire.h"

struct server;

#define CLIENTS_MAX 1024u

/* One frame that waits for room in the socket. */
struct out_frame {
	struct out_frame *next;
	uint32_t len;
	uint8_t bytes[];
};

/* A connection. Long operations (create, wait, console) hold a reference; `gone` tells them that
 * nobody listens any more. */
struct conn {
	struct server *s;
	struct conn *next, **prev;
	uint32_t refs;
	bool gone;
	int fd;
	ev_io in, out;
	struct out_frame *queue, **queue_tail;
	uint32_t queued; /* bytes */
	pid_t pid;
	uid_t uid;
	struct stream *streams; /* op_stream.c */
};

/* One request, parsed; its files are closed after the operation unless it takes them (sets -1). */
struct request {
	struct conn *c;
	struct wire_in in;
	int fd[PROTO_FDS_MAX];
	uint32_t nfd;
};

struct operation {
	enum proto_op op;
	const char *name;
	/* 0: answered, or will be; else the error to answer with. */
	int (*run)(struct engine *en, struct request *r, struct err *e);
};
extern const struct operation operations[];
extern const uint32_t noperation;

struct server_conf {
	const char *path;
	const char *group; /* of the socket; "" for root alone */
	int listen_fd;	   /* from the service manager, or -1 */
};

int server_open(struct ev_loop *loop, struct engine *en, const struct server_conf *conf,
		struct server **out, struct err *e);
void server_close(struct server *s);
struct engine *server_engine(struct server *s);
uint32_t server_clients(const struct server *s);
/* When the loop last had one, by ev_now(). */
ev_tstamp server_last_request(const struct server *s);

/* --- for operations --- */

/* Starts an answer in the server's one buffer. */
void reply_begin(struct conn *c, struct wire_out *w, enum proto_op op, uint32_t tag);
/* Sends it, or queues it when the client is slow. */
void reply_send(struct conn *c, struct wire_out *w);
void reply_ok(struct conn *c, uint32_t tag);
void reply_error(struct conn *c, uint32_t tag, const struct err *e);
void conn_ref(struct conn *c);
void conn_unref(struct conn *c);
/* The VM that WHAT names; -ESRCH with a message. */
int request_vm(struct engine *en, const struct request *r, struct vm **out, struct err *e);

/* op_stream.c: ends the waits and consoles of a connection; pumps them when there is room again. */
void streams_end(struct conn *c);
void streams_pump(struct conn *c);
int streams_open(struct engine *en, struct ev_loop *loop, struct server *s, struct err *e);
void streams_close(void);

/* op_list.c: a connection has room again, or is gone. */
void lists_pump(struct conn *c);
void lists_open(struct ev_loop *loop);
void lists_close(void);

/* op_create.c: tells the client what was passed over. */
struct vmcfg_list;
void reply_warnings(struct conn *c, uint32_t tag, const struct vmcfg_list *l);

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
