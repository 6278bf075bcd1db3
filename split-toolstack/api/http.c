/* SPDX-License-Identifier: BSD-3-Clause */
/* libmicrohttpd on the loop: requests in, bodies collected, answers and problems out. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "split-toolstack/libchaos/json.h"

#define IDLE_S	    30u /* a client that neither sends nor reads for this time is disconnected */
#define CONN_MEMORY (16u << 10)
#define BEAT_S                                                                                     \
	10.0 /* streams send something at least this often, to notice clients that are gone */

/* --- out --- */

static struct MHD_Response *make_response(struct rq *rq)
{
	const char *type = rq->text_type ? rq->text_type : "application/json";
	struct MHD_Response *r;

	if (rq->file_bytes) {
		r = MHD_create_response_from_fd64(rq->file_bytes, rq->file);
		if (r)
			rq->file = -1;	  /* it closes it */
	} else if (rq->over || rq->own) { /* a stream, of unknown length */
		r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, stream_read, rq,
						      NULL);
	} else {
		char *text = rq->text;
		size_t len = rq->text_len;

		if (rq->json) {
			text = json_dumps(rq->json, JSON_COMPACT);
			len = text ? strlen(text) : 0;
		}
		rq->text = NULL;
		r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	}
	if (!r)
		return NULL;
	(void)MHD_add_response_header(r, "Content-Type", type);
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	if (rq->location[0])
		(void)MHD_add_response_header(r, "Location", rq->location);
	return r;
}

static enum MHD_Result respond(struct rq *rq)
{
	struct MHD_Response *r = make_response(rq);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	if (rq->own && !rq->file_bytes) /* streams have a heartbeat instead */
		(void)MHD_set_connection_option(rq->conn, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	else
		client_waits(rq->conn, true); /* to read it */
	ok = MHD_queue_response(rq->conn, rq->status, r);
	MHD_destroy_response(r);
	return ok;
}

/* --- in --- */

/* "/v1/vms/{}/devices/{}": a name matches one part of the path; a name that is too long is cut,
 * and will not be found. */
static bool matches(const char *pattern, const char *url, struct rq *rq)
{
	char *to = rq->what;
	size_t room = sizeof(rq->what);

	while (*pattern) {
		size_t len;

		if (strncmp(pattern, "{}", 2) != 0) {
			if (*pattern++ != *url++)
				return false;
			continue;
		}
		len = strcspn(url, "/");
		if (len == 0)
			return false;
		(void)snprintf(to, room, "%.*s", (int)len, url);
		to = rq->device;
		room = sizeof(rq->device);
		pattern += 2;
		url += len;
	}
	return *url == '\0';
}

/* The route, or why there is none: 404 or 405. */
static unsigned int find_route(struct rq *rq, const char *method, const char *url)
{
	unsigned int status = MHD_HTTP_NOT_FOUND;

	for (size_t i = 0; i < nroute; i++) {
		if (!matches(routes[i].path, url, rq))
			continue;
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		if (strcmp(routes[i].method, method) == 0 ||
		    (strcmp(method, "HEAD") == 0 && strcmp(routes[i].method, "GET") == 0)) {
			rq->route = &routes[i];
			return 0;
		}
	}
	return status;
}

static void take_upload(struct rq *rq, const char *data, size_t len)
{
	if (rq->upload < 0) {
		rq->upload = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (rq->upload < 0) {
			rq_problem(rq, errno, "cannot make a file for the body in /var/tmp: %s",
				   strerror(errno));
			return;
		}
	}
	rq->body_len += len;
	if (rq->body_len > UPLOAD_MAX) {
		rq_problem(rq, E2BIG, "a file has at most %u MiB", UPLOAD_MAX >> 20);
		return;
	}
	while (len) {
		ssize_t n = write(rq->upload, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rq_problem(rq, errno, "cannot write the body to /var/tmp: %s",
				   strerror(errno));
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void take_body(struct rq *rq, const char *data, size_t len)
{
	char *grown;

	if (rq->answered)
		return; /* the rest of a body that is too large */
	if (rq->route->upload) {
		take_upload(rq, data, len);
		return;
	}
	if (rq->body_len + len > BODY_MAX) {
		rq_problem(rq, E2BIG, "a body has at most %u bytes", BODY_MAX);
		return;
	}
	grown = realloc(rq->body, rq->body_len + len + 1);
	if (!grown) {
		rq_problem(rq, ENOMEM, "out of memory");
		return;
	}
	rq->body = grown;
	memcpy(rq->body + rq->body_len, data, len);
	rq->body_len += len;
	rq->body[rq->body_len] = '\0';
}

static struct rq *new_rq(struct api *a, struct MHD_Connection *conn)
{
	struct rq *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	rq->api = a;
	rq->conn = conn;
	rq->upload = -1;
	rq->file = -1;
	DL_APPEND(a->all, rq);
	return rq;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *len, void **con_cls)
{
	struct api *a = cls;
	struct rq *rq = *con_cls;
	unsigned int status;

	(void)version;
	if (!rq) {
		rq = new_rq(a, conn);
		*con_cls = rq;
		if (!rq)
			return MHD_NO;
		status = find_route(rq, method, url);
		if (status)
			rq_refuse(rq, status, 0, url);
		return status ? respond(rq) : MHD_YES;
	}
	client_waits(conn, *len != 0);
	if (*len) {
		take_body(rq, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (!rq->dispatched && !rq->answered) {
		rq->dispatched = true;
		rq->route->run(rq);
	}
	if (rq->answered)
		return respond(rq);
	rq->suspended = true;
	MHD_suspend_connection(conn);
	return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *conn, void **con_cls,
		      enum MHD_RequestTerminationCode why)
{
	struct api *a = cls;
	struct rq *rq = *con_cls;

	client_waits(conn, true);
	if (!rq)
		return;
	if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		saved_sent(rq);
	backend_forget(rq);
	move_forget(rq);
	ev_timer_stop(a->loop, &rq->timeout);
	DL_DELETE(a->all, rq);
	if (rq->upload >= 0)
		(void)close(rq->upload);
	if (rq->file >= 0)
		(void)close(rq->file);
	json_decref(rq->json);
	free(rq->text);
	free(rq->body);
	free(rq->out);
	free(rq);
	*con_cls = NULL;
}

/* --- on the loop --- */

static void run_now(struct api *a)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;

	(void)MHD_run(a->http);
	ev_timer_stop(a->loop, &a->http_timer);
	if (MHD_get_timeout(a->http, &ms) == MHD_YES) {
		ev_timer_set(&a->http_timer, (double)ms / 1000.0, 0.);
		ev_timer_start(a->loop, &a->http_timer);
	}
}

static void on_http(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	run_now(io->data);
}

static void on_http_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	run_now(t->data);
}

static void on_run_http(struct ev_loop *loop, ev_prepare *p, int revents)
{
	(void)revents;
	ev_prepare_stop(loop, p);
	run_now(p->data);
}

/* Comments keep event streams open, and show which clients have gone. */
static void on_beat(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct api *a = t->data;

	(void)loop;
	(void)revents;
	for (struct rq *rq = a->all, *next; rq; rq = next) {
		static const char comment[] = ": still here\n\n";
		char *grown;

		next = rq->next;
		if (!rq->sse || rq->out_len != rq->out_at)
			continue;
		grown = realloc(rq->out, sizeof(comment) - 1);
		if (!grown)
			continue;
		rq->out = grown;
		memcpy(rq->out, comment, sizeof(comment) - 1);
		rq->out_at = 0;
		rq->out_len = sizeof(comment) - 1;
		rq_wake(rq);
	}
}

int http_open(struct api *a, int fd, struct chaos_error *e)
{
	const union MHD_DaemonInfo *info;

	clients_open(a);
	a->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
				   a, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				   CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				   MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
				   MHD_OPTION_NOTIFY_COMPLETED, completed, a,
				   MHD_OPTION_NOTIFY_CONNECTION, client_notify, a, MHD_OPTION_END);
	info = a->http ? MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		e->code = EIO;
		(void)snprintf(e->message, sizeof(e->message), "the HTTP server does not start");
		return -EIO;
	}
	ev_io_init(&a->http_io, on_http, info->epoll_fd, EV_READ);
	a->http_io.data = a;
	ev_io_start(a->loop, &a->http_io);
	ev_init(&a->http_timer, on_http_timer);
	a->http_timer.data = a;
	ev_prepare_init(&a->run_http, on_run_http);
	a->run_http.data = a;
	ev_timer_init(&a->beat, on_beat, BEAT_S, BEAT_S);
	a->beat.data = a;
	ev_timer_start(a->loop, &a->beat);
	run_now(a);
	return 0;
}

void http_close(struct api *a)
{
	if (!a->http)
		return;
	/* A suspended connection cannot be closed. */
	for (struct rq *rq = a->all, *next; rq; rq = next) {
		next = rq->next;
		rq->over = true;
		if (rq->suspended && !rq->answered)
			rq_problem(rq, ECONNRESET, "chaos-api ends");
		rq_wake(rq);
	}
	(void)MHD_run(a->http);
	ev_io_stop(a->loop, &a->http_io);
	ev_timer_stop(a->loop, &a->http_timer);
	ev_timer_stop(a->loop, &a->beat);
	ev_prepare_stop(a->loop, &a->run_http);
	MHD_stop_daemon(a->http);
	clients_close(a);
	a->http = NULL;
}
