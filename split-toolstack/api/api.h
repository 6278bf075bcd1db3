/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-api: an HTTP and JSON server for chaosd. Shared by its files. */
#ifndef CHAOS_API_H
#define CHAOS_API_H

#include <ev.h>
#include <jansson.h>
#include <microhttpd.h>

#include "split-toolstack/libchaos/chaos.h"

/* One loop and one thread, which need no rights except access to chaosd's socket. Short requests
 * of all HTTP clients share one connection to chaosd, and are matched by tags. A request that
 * takes long or has no end (wait, console, events) has its own connection, so that a client that
 * reads slowly does not delay others. While chaosd works, the HTTP connection is suspended. */

#define BODY_MAX	(64u << 10)  /* of JSON */
#define UPLOAD_MAX	(512u << 20) /* of an image */
#define STREAMS_MAX	256u	     /* maximal number of waits, consoles and events */
#define CONNECTIONS_MAX 1024u

struct api {
	struct ev_loop *loop;
	struct MHD_Daemon *http;
	const char *chaosd;	 /* its socket */
	struct chaos *main;	 /* for short requests; NULL: not connected */
	ev_io main_io, main_out; /* out: requests could not be sent yet */
	uint32_t streams;
	struct rq *all; /* utlist: all requests */
	uint32_t moves; /* move.c: number of processes */
	ev_io http_io;
	ev_timer http_timer, beat;
	ev_prepare run_http;
	/* clients.c */
	struct http_client *idle; /* utlist: connections that wait for their clients */
	uint32_t nclient;
	ev_timer evict;
};

struct move;
struct route;

/* One HTTP request, from its headers to the last byte of its answer. */
struct rq {
	struct api *api;
	struct MHD_Connection *conn;
	const struct route *route;
	char what[160];	 /* the name of a VM or image in the path */
	char device[32]; /* the device in the path */
	char *body;
	size_t body_len;
	int upload; /* file for the body, or -1 */
	int file;   /* file that is the body of the answer, with file_bytes, or -1 */
	uint64_t file_bytes;
	uint32_t save_tag; /* of a save whose VM ends when all was sent; 0: none */
	bool dispatched, suspended, answered;
	/* the answer */
	unsigned int status;
	json_t *json; /* or */
	char *text;   /* malloced */
	size_t text_len;
	const char *text_type;
	char location[80];
	/* for the replies */
	void (*on_reply)(struct rq *rq, const struct chaos_reply *r);
	uint32_t tag;
	struct rq *tag_next; /* in a bucket of the table */
	/* a separate connection */
	struct chaos *own;
	ev_io own_io;
	ev_timer timeout;
	bool sse, over;
	char *out; /* bytes to be sent to the client */
	size_t out_len, out_at;
	struct move *move;	/* move.c: a migration; NULL: none */
	struct rq *next, *prev; /* in api->all */
};

/* --- http.c --- */
int http_open(struct api *a, int fd, struct chaos_error *e);
void http_close(struct api *a);

/* --- request.c --- */
/* The answer is complete, in status and json or text: resumes the HTTP connection. */
void rq_answer(struct rq *rq, unsigned int status);
/* A stream has something to send, or has ended. */
void rq_wake(struct rq *rq);
const char *rq_query(struct rq *rq, const char *key);

/* --- problem.c --- */
/* Keeps the warning of a reply, if it has one, in rq->json until the answer is made. */
void rq_keep_warning(struct rq *rq, const struct chaos_reply *r);
/* Answers with a problem object (RFC 9457); the status is derived from the errno. */
void rq_problem(struct rq *rq, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with an HTTP status; `code` is an errno, 0: none. */
void rq_refuse(struct rq *rq, unsigned int status, int code, const char *detail);

/* --- clients.c --- */
void clients_open(struct api *a);
void clients_close(struct api *a);
/* Called by libmicrohttpd for new and closed connections. */
void client_notify(void *cls, struct MHD_Connection *conn, void **context,
		   enum MHD_ConnectionNotificationCode code);
/* Whether the connection now waits for its client, or (false) for chaosd. If connections run
 * out, the one that has waited longest is closed first. */
void client_waits(struct MHD_Connection *conn, bool waits);

/* --- backend.c --- */
/* Sends a request; replies go to rq->on_reply, the last one has `last` set. A failure answers
 * the HTTP request. */
void backend_send(struct rq *rq, const struct chaos_request *cr);
/* The same on a separate connection, which ends with the request. */
void backend_stream(struct rq *rq, const struct chaos_request *cr);
void backend_forget(struct rq *rq);
void backend_close(struct api *a);

/* --- routes.c --- */
struct route {
	const char *method, *path; /* "{}" stands for a name in the path */
	void (*run)(struct rq *rq);
	/* for a route that sends one request: the request of run_plain(), and how replies are
	 * used */
	enum chaos_op op;
	uint32_t flags;
	void (*answer)(struct rq *rq, const struct chaos_reply *r);
	bool upload; /* the body is a file */
};
extern const struct route routes[];
extern const size_t nroute;

/* --- streams.c --- */
void run_events(struct rq *rq);
void run_console(struct rq *rq);
void run_console_input(struct rq *rq);
void run_wait(struct rq *rq);
/* The reader function of streams for libmicrohttpd. */
ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max);

/* --- migrate.c, move.c --- */
void run_migrate(struct rq *rq);
/* Runs "chaos migrate" with the socket at `path`; its end answers the request. */
void move_begin(struct rq *rq, const char *path, bool stop);
/* The HTTP request ends before the migration, which continues. */
void move_forget(struct rq *rq);

/* --- save.c --- */
void run_save(struct rq *rq);
void run_restore(struct rq *rq);
/* Sets *flags from ?disk=. False: there is no such word; the request was answered. */
bool rq_disks(struct rq *rq, uint32_t *flags);
void run_wake(struct rq *rq);
/* The whole answer was sent. */
void saved_sent(struct rq *rq);

/* --- snapshots.c --- */
void run_snapshot(struct rq *rq);
void run_snapshot_rm(struct rq *rq);
void run_create_from(struct rq *rq);
void run_snapshot_pack(struct rq *rq);
void run_snapshot_unpack(struct rq *rq);

/* --- set.c --- */
void run_set(struct rq *rq);
/* "key=value" of a text or a whole number, malloced; NULL: it is neither, or no memory. */
char *setting_text(const char *key, const json_t *value);

/* --- devices.c --- */
void run_devices(struct rq *rq);
void run_attach(struct rq *rq);
void run_detach(struct rq *rq);
/* The devices of a reply as an array. */
json_t *devices_json(const struct chaos_reply *r);

/* --- create.c --- */
void run_create(struct rq *rq);

/* --- openapi.c, made of openapi.json --- */
extern const char openapi_json[];
extern const size_t openapi_len;

#endif
