/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to frames and frames to replies, over the client's connection. */
#include "split-toolstack/libchaos/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/protocol/client.h"
#include "split-toolstack/libchaos/decode.h"

#define EXPORT __attribute__((visibility("default")))

_Static_assert(sizeof(struct chaos_error) == sizeof(struct err), "the same shape");

/* More than this does not wait for the daemon. */
#define WAITING_MAX (64u << 20)

/* A request that the daemon did not take at once. */
struct waiting {
	struct waiting *next;
	int fds[3];
	uint32_t nfd, len;
	uint8_t frame[];
};

struct chaos {
	struct client client;
	struct waiting *waiting, **last;
	size_t bytes; /* of them */
};

static const enum proto_op proto_ops[] = {
#define OPERATION(name, fn, text) [CHAOS_##name] = PROTO_REQ_##name,
	PROTO_REQUESTS(OPERATION)
#undef OPERATION
};

static int tell(struct chaos_error *to, const struct err *from, int rc)
{
	if (to)
		to->code = from->code;
	if (to && rc < 0) /* it is long */
		memcpy(to->message, from->msg, sizeof(to->message));
	return rc;
}

EXPORT int chaos_open(struct chaos **out, const char *socket, struct chaos_error *e)
{
	struct chaos *c = malloc(sizeof(*c));
	struct err err = {0};
	int rc;

	*out = NULL;
	if (!c)
		return tell(e, &err, err_set(&err, ENOMEM, "out of memory"));
	rc = client_open(&c->client, socket, &err);
	if (rc < 0) {
		free(c);
		return tell(e, &err, rc);
	}
	c->waiting = NULL;
	c->last = &c->waiting;
	c->bytes = 0;
	*out = c;
	return 0;
}

static void free_waiting(struct waiting *w)
{
	for (uint32_t i = 0; i < w->nfd; i++)
		(void)close(w->fds[i]);
	free(w);
}

/* The first of those that wait is sent, or the connection ends. */
static void drop_first(struct chaos *c)
{
	struct waiting *w = c->waiting;

	c->waiting = w->next;
	if (!c->waiting)
		c->last = &c->waiting;
	c->bytes -= w->len;
	free_waiting(w);
}

EXPORT void chaos_close(struct chaos *c)
{
	if (!c)
		return;
	while (c->waiting)
		drop_first(c);
	client_close(&c->client);
	free(c);
}

EXPORT int chaos_fd(const struct chaos *c)
{
	return c->client.fd;
}

EXPORT void chaos_request_init(struct chaos_request *rq, enum chaos_op op)
{
	memset(rq, 0, sizeof(*rq));
	rq->op = op;
	rq->kernel_fd = -1;
	rq->ramdisk_fd = -1;
	rq->file_fd = -1;
	rq->since = CHAOS_NOW;
}

/* --- sending --- */

static void put_list(struct wire_out *w, enum proto_id id, const char *const *list)
{
	for (; list && *list; list++)
		wire_text(w, id, *list);
}

static void put_file(struct wire_out *w, enum proto_id id, int fd, int *fds, uint32_t *n)
{
	if (fd < 0)
		return;
	wire_u32(w, id, *n);
	fds[(*n)++] = fd;
}

/* Keeps the frame that the client has in its buffer. */
static int keep(struct chaos *c, uint32_t len, const int *fds, uint32_t nfd, struct err *e)
{
	struct waiting *w;

	if (c->bytes + len > WAITING_MAX)
		return err_set(e, ENOBUFS, "%u MiB of requests wait for chaosd already",
			       WAITING_MAX >> 20);
	w = malloc(sizeof(*w) + len);
	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	*w = (struct waiting){.len = len};
	memcpy(w->frame, c->client.out, len);
	for (; w->nfd < nfd; w->nfd++) {
		w->fds[w->nfd] = fcntl(fds[w->nfd], F_DUPFD_CLOEXEC, 0);
		if (w->fds[w->nfd] < 0) {
			int rc = err_sys(e, errno, "keep a file for chaosd");

			free_waiting(w);
			return rc;
		}
	}
	*c->last = w;
	c->last = &w->next;
	c->bytes += len;
	return 0;
}

static int flush(struct chaos *c, struct err *e)
{
	while (c->waiting) {
		struct waiting *w = c->waiting;
		int rc = client_send_now(&c->client, w->frame, w->len, w->fds, w->nfd, e);

		if (rc == -EAGAIN)
			return 1;
		drop_first(c);
		if (rc < 0)
			return rc;
	}
	return 0;
}

EXPORT int chaos_flush(struct chaos *c, struct chaos_error *e)
{
	struct err err = {0};

	return tell(e, &err, flush(c, &err));
}

static int send_or_keep(struct chaos *c, struct wire_out *w, const int *fds, uint32_t nfd,
			struct err *e)
{
	uint32_t len = wire_end(w);
	int rc;

	if (len == 0)
		return err_set(e, E2BIG, "the request is larger than %u bytes", PROTO_FRAME_MAX);
	rc = c->waiting ? flush(c, e) : 0;
	if (rc == 0)
		rc = client_send_now(&c->client, c->client.out, len, fds, nfd, e);
	return rc == 1 || rc == -EAGAIN ? keep(c, len, fds, nfd, e) : rc;
}

/* It has the tag of an earlier request. */
static bool is_part(enum chaos_op op)
{
	return op == CHAOS_INPUT || op == CHAOS_SAVED || op == CHAOS_MOVE || op == CHAOS_RECEIVED ||
	       op == CHAOS_ROUND;
}

EXPORT int chaos_send(struct chaos *c, const struct chaos_request *rq, uint32_t *tag,
		      struct chaos_error *e)
{
	struct err err = {0};
	struct wire_out w;
	uint32_t nfd = 0;
	int fds[3];

	if ((size_t)rq->op >= sizeof(proto_ops) / sizeof(proto_ops[0]))
		return tell(e, &err, err_set(&err, EINVAL, "operation %d is unknown", (int)rq->op));
	if (is_part(rq->op))
		wire_begin(&w, c->client.out, PROTO_FRAME_MAX, proto_ops[rq->op], rq->tag);
	else
		client_begin(&c->client, &w, proto_ops[rq->op]);
	if (rq->flags)
		wire_u32(&w, PROTO_FLAGS, rq->flags);
	wire_text(&w, PROTO_WHAT, rq->vm);
	wire_text(&w, PROTO_NAME, rq->name);
	wire_text(&w, PROTO_CONFIG, rq->config);
	wire_text(&w, PROTO_CONFIG_NAME, rq->config_name);
	wire_text(&w, PROTO_CWD, rq->cwd);
	wire_text(&w, PROTO_TEXT, rq->text);
	wire_text(&w, PROTO_KIND, rq->kind);
	wire_text(&w, PROTO_TYPE, rq->type);
	if (rq->op == CHAOS_ADMIT) {
		wire_u64(&w, PROTO_MEM_KIB, rq->mem_kib);
		wire_u32(&w, PROTO_VCPUS, rq->vcpus);
	}
	wire_text(&w, PROTO_ID, rq->device);
	if (rq->count)
		wire_u32(&w, PROTO_COUNT, rq->count);
	put_list(&w, PROTO_SET, rq->set);
	put_list(&w, PROTO_OVERRIDE, rq->override);
	put_list(&w, PROTO_IGNORE, rq->ignore);
	if (rq->op == CHAOS_EVENTS && rq->since != CHAOS_NOW)
		wire_u64(&w, PROTO_SINCE, rq->since);
	if (rq->op == CHAOS_INPUT)
		wire_bytes(&w, PROTO_DATA, rq->data, (uint32_t)rq->len);
	put_file(&w, PROTO_KERNEL_FD, rq->kernel_fd, fds, &nfd);
	put_file(&w, PROTO_RAMDISK_FD, rq->ramdisk_fd, fds, &nfd);
	put_file(&w, PROTO_FILE_FD, rq->file_fd, fds, &nfd);
	if (tag)
		*tag = is_part(rq->op) ? rq->tag : c->client.tag;
	return tell(e, &err, send_or_keep(c, &w, fds, nfd, &err));
}

/* --- receiving --- */

EXPORT int chaos_device(const struct chaos_reply *r, uint32_t i, struct chaos_device *out)
{
	struct wire_in in = {.fields = r->frame, .bytes = (uint32_t)r->frame_len};

	return i < r->ndevice && decode_device(&in, i, out) ? 0 : -ENOENT;
}

/* Until there is something to read; meanwhile what waits is sent. 0: nothing came in time. */
static int await(struct chaos *c, int timeout_ms, struct err *e)
{
	int rc;

	do {
		struct pollfd p = {c->client.fd, POLLIN, 0};

		rc = c->waiting ? flush(c, e) : 0;
		if (rc < 0)
			return rc;
		if (rc == 1)
			p.events |= POLLOUT;
		rc = poll(&p, 1, timeout_ms);
		if (rc > 0 && !(p.revents & ~POLLOUT))
			rc = -1; /* room for what waits */
		else if (rc < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
	} while (rc < 0);
	return rc;
}

EXPORT int chaos_receive(struct chaos *c, struct chaos_reply *r, int timeout_ms,
			 struct chaos_error *e)
{
	struct err err = {0};
	struct wire_in in;
	int rc;

	if (timeout_ms >= 0 || c->waiting) {
		rc = await(c, timeout_ms, &err);
		if (rc <= 0)
			return rc == 0 ? -EAGAIN : tell(e, &err, rc);
	}
	in.h.op = 0;
	rc = client_receive(&c->client, &in, &err);
	if (rc < 0 && in.h.op != PROTO_ERROR)
		return tell(e, &err, rc);
	decode_reply(&in, r);
	if (rc < 0) {
		r->error = err.code;
		memcpy(r->message, err.msg, sizeof(r->message));
	}
	return 0;
}

EXPORT int chaos_call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
		      int (*each)(const struct chaos_reply *r, void *arg), void *arg,
		      struct chaos_error *e)
{
	uint32_t tag = 0;
	int rc = chaos_send(c, rq, &tag, e);

	while (rc == 0) {
		rc = chaos_receive(c, r, -1, e);
		if (rc < 0 || r->tag != tag)
			continue;
		if (r->last)
			break;
		rc = each ? each(r, arg) : 0;
	}
	if (rc == 0 && r->error) {
		rc = -r->error;
		if (e) {
			e->code = r->error;
			memcpy(e->message, r->message, sizeof(e->message));
		}
	}
	return rc;
}
