/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's side: one shared connection by tags, and connections of streams. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256u

static struct rq *bucket[BUCKETS];

static struct rq **find(uint32_t tag)
{
	struct rq **at = &bucket[tag % BUCKETS];

	while (*at && (*at)->tag != tag)
		at = &(*at)->tag_next;
	return at;
}

static void remember(struct rq *rq)
{
	rq->tag_next = bucket[rq->tag % BUCKETS];
	bucket[rq->tag % BUCKETS] = rq;
}

static void hand_over(struct rq *rq, const struct chaos_reply *r)
{
	if (r->error && rq->answered) { /* too late to tell */
		rq->over = true;
		rq_wake(rq);
	} else if (r->error)
		rq_problem(rq, r->error, "%s", r->message);
	else
		rq->on_reply(rq, r);
}

/* --- the shared connection --- */

static void lost(struct api *a, const char *why)
{
	ev_io_stop(a->loop, &a->main_io);
	ev_io_stop(a->loop, &a->main_out);
	chaos_close(a->main);
	a->main = NULL;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		while (bucket[i]) {
			struct rq *rq = bucket[i];

			bucket[i] = rq->tag_next;
			rq->tag = 0;
			rq_problem(rq, ECONNRESET, "%s", why);
		}
	}
}

static void on_main(struct ev_loop *loop, ev_io *io, int revents)
{
	static struct chaos_reply r; /* large */
	struct chaos_error e = {0};
	struct api *a = io->data;
	int rc;

	(void)loop;
	(void)revents;
	while (a->main && (rc = chaos_receive(a->main, &r, 0, &e)) != -EAGAIN) {
		struct rq **at;
		struct rq *rq;

		if (rc < 0) {
			lost(a, e.message);
			return;
		}
		at = find(r.tag);
		rq = *at;
		if (!rq) /* its client has gone */
			continue;
		if (r.last) {
			*at = rq->tag_next;
			rq->tag = 0;
		}
		hand_over(rq, &r);
	}
}

/* Requests wait while chaosd reads none; it may be waiting for its answers to be read. */
static void flush(struct api *a)
{
	struct chaos_error e = {0};
	int rc = chaos_flush(a->main, &e);

	if (rc == 1)
		ev_io_start(a->loop, &a->main_out);
	else
		ev_io_stop(a->loop, &a->main_out);
	if (rc < 0)
		lost(a, e.message);
}

static void on_room(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	flush(io->data);
}

static int connect_main(struct api *a, struct chaos_error *e)
{
	int rc;

	if (a->main)
		return 0;
	rc = chaos_open(&a->main, a->chaosd, e);
	if (rc < 0)
		return rc;
	ev_io_init(&a->main_io, on_main, chaos_fd(a->main), EV_READ);
	a->main_io.data = a;
	ev_io_start(a->loop, &a->main_io);
	ev_io_init(&a->main_out, on_room, chaos_fd(a->main), EV_WRITE);
	a->main_out.data = a;
	return 0;
}

void backend_send(struct rq *rq, const struct chaos_request *cr)
{
	struct api *a = rq->api;
	struct chaos_error e = {0};
	int rc = connect_main(a, &e);

	if (rc == 0)
		rc = chaos_send(a->main, cr, &rq->tag, &e);
	if (rc == -EPIPE || rc == -ECONNRESET) { /* chaosd was restarted: try once more */
		rq->tag = 0;
		lost(a, e.message);
		rc = connect_main(a, &e);
		if (rc == 0)
			rc = chaos_send(a->main, cr, &rq->tag, &e);
	}
	if (rc == 0) {
		remember(rq);
		flush(a);
		return;
	}
	rq->tag = 0;
	rq_problem(rq, ECONNREFUSED, "%s", e.message);
}

/* --- connections of streams --- */

static void end_stream(struct rq *rq)
{
	if (!rq->own)
		return;
	ev_io_stop(rq->api->loop, &rq->own_io);
	chaos_close(rq->own);
	rq->own = NULL;
	rq->api->streams--;
}

static void on_own(struct ev_loop *loop, ev_io *io, int revents)
{
	static struct chaos_reply r;
	struct rq *rq = io->data;
	struct chaos_error e = {0};
	int rc = chaos_receive(rq->own, &r, 0, &e);

	(void)loop;
	(void)revents;
	if (rc == -EAGAIN)
		return;
	if (rc < 0) {
		memset(&r, 0, offsetof(struct chaos_reply, message));
		r.last = true;
		r.error = e.code ? e.code : EIO;
		memcpy(r.message, e.message, sizeof(r.message));
	}
	if (r.last)
		end_stream(rq);
	hand_over(rq, &r);
	/* There is enough that the client has not read: chaosd waits. */
	if (rq->own && rq->out_len - rq->out_at > BODY_MAX)
		ev_io_stop(rq->api->loop, &rq->own_io);
}

void backend_stream(struct rq *rq, const struct chaos_request *cr)
{
	struct api *a = rq->api;
	struct chaos_error e = {0};
	int rc;

	if (a->streams >= STREAMS_MAX) {
		rq_problem(rq, EBUSY, "%u waits, consoles and event streams are open already",
			   STREAMS_MAX);
		return;
	}
	rc = chaos_open(&rq->own, a->chaosd, &e);
	if (rc == 0)
		rc = chaos_send(rq->own, cr, NULL, &e);
	if (rc < 0) {
		chaos_close(rq->own);
		rq->own = NULL;
		rq_problem(rq, ECONNREFUSED, "%s", e.message);
		return;
	}
	a->streams++;
	ev_io_init(&rq->own_io, on_own, chaos_fd(rq->own), EV_READ);
	rq->own_io.data = rq;
	ev_io_start(a->loop, &rq->own_io);
}

void backend_forget(struct rq *rq)
{
	if (rq->tag) {
		struct rq **at = find(rq->tag);

		if (*at == rq)
			*at = rq->tag_next;
	}
	end_stream(rq);
}

void backend_close(struct api *a)
{
	if (a->main)
		lost(a, "chaos-api ends");
}
