/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that come when something happens: events, consoles, waits. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/json.h"

static bool append(struct rq *rq, const void *data, size_t len)
{
	char *grown;

	if (rq->out_at == rq->out_len)
		rq->out_at = rq->out_len = 0;
	grown = realloc(rq->out, rq->out_len + len + 1);
	if (!grown)
		return false;
	rq->out = grown;
	memcpy(rq->out + rq->out_len, data, len);
	rq->out_len += len;
	return true;
}

ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct rq *rq = cls;
	size_t n = rq->out_len - rq->out_at;

	(void)pos;
	if (n == 0) {
		if (rq->over || !rq->own)
			return MHD_CONTENT_READER_END_OF_STREAM;
		ev_io_start(rq->api->loop, &rq->own_io);
		rq->suspended = true;
		MHD_suspend_connection(rq->conn);
		return 0;
	}
	if (n > max)
		n = max;
	memcpy(buf, rq->out + rq->out_at, n);
	rq->out_at += n;
	return (ssize_t)n;
}

/* The headers are sent with the first byte, or at once, because a stream may have no data for a
 * long time. */
static void begin(struct rq *rq, const char *type)
{
	if (rq->answered)
		return;
	rq->text_type = type;
	rq_answer(rq, MHD_HTTP_OK);
}

/* --- events --- */

static void event_reply(struct rq *rq, const struct chaos_reply *r)
{
	char head[96];
	char *text = NULL;
	json_t *j;

	if (r->last) { /* chaosd ended, or refused */
		rq->over = true;
		rq_wake(rq);
		return;
	}
	if (r->lost) {
		int n = snprintf(head, sizeof(head), "event: lost\ndata: {\"count\":%llu}\n\n",
				 (unsigned long long)r->lost);

		(void)append(rq, head, (size_t)n);
		rq_wake(rq);
		return;
	}
	if (!r->has_event)
		return;
	j = event_json(r->event_id, r->event, r->when_ns, r->has_vm ? &r->vm : NULL,
		       r->has_flavor ? &r->flavor : NULL);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	(void)snprintf(head, sizeof(head),
		       "id: %llu\nevent: %s\ndata: ", (unsigned long long)r->event_id, r->event);
	if (text && append(rq, head, strlen(head)) && append(rq, text, strlen(text)))
		(void)append(rq, "\n\n", 2);
	free(text);
	rq_wake(rq);
}

void run_events(struct rq *rq)
{
	const char *since = MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, "Last-Event-ID");
	struct chaos_request cr;
	char *end = NULL;

	chaos_request_init(&cr, CHAOS_EVENTS);
	if (!since)
		since = rq_query(rq, "since");
	if (since) {
		cr.since = strtoull(since, &end, 10);
		if (end == since || *end) {
			rq_problem(rq, EINVAL, "since=%s: give the number of an event", since);
			return;
		}
	}
	rq->on_reply = event_reply;
	rq->sse = true;
	backend_stream(rq, &cr);
	if (rq->own) {
		(void)append(rq, ": events of chaos\n\n", 19);
		begin(rq, "text/event-stream");
	}
}

/* --- console --- */

static void console_reply(struct rq *rq, const struct chaos_reply *r)
{
	if (r->data)
		(void)append(rq, r->data, r->len);
	if (r->last)
		rq->over = true;
	if (r->last || r->data)
		begin(rq, "application/octet-stream");
	rq_wake(rq);
}

void run_console(struct rq *rq)
{
	const char *follow = rq_query(rq, "follow");
	const char *log = rq_query(rq, "log");
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_CONSOLE);
	cr.vm = rq->what;
	if (!log || strcmp(log, "0") != 0)
		cr.flags |= CHAOS_LOG;
	if (follow && strcmp(follow, "0") != 0)
		cr.flags |= CHAOS_FOLLOW;
	rq->on_reply = console_reply;
	backend_stream(rq, &cr);
}

static void input_reply(struct rq *rq, const struct chaos_reply *r)
{
	(void)r;
	backend_forget(rq);
	rq->json = json_pack("{s:i}", "bytes", (int)rq->body_len);
	rq_answer(rq, MHD_HTTP_OK);
}

/* Input needs a console request: one is opened for it, without output. */
static void console_open(struct rq *rq, const struct chaos_reply *r)
{
	struct chaos_request cr;
	struct chaos_error e = {0};

	if (!r->has_vm) {
		rq_problem(rq, EIO, "chaosd sent no information about the VM");
		return;
	}
	chaos_request_init(&cr, CHAOS_CONSOLE);
	cr.vm = rq->what;
	cr.flags = CHAOS_FOLLOW | CHAOS_INPUT_TOO;
	rq->on_reply = input_reply;
	backend_stream(rq, &cr);
	if (!rq->own)
		return;
	chaos_request_init(&cr, CHAOS_INPUT);
	cr.data = rq->body;
	cr.len = rq->body_len;
	cr.tag = 1; /* the first request of its connection */
	if (chaos_send(rq->own, &cr, NULL, &e) < 0)
		rq_problem(rq, e.code, "%s", e.message);
	else
		input_reply(rq, NULL);
}

void run_console_input(struct rq *rq)
{
	struct chaos_request cr;

	if (rq->body_len == 0 || rq->body_len > 32768) {
		rq_problem(rq, EINVAL, "input: 1 to 32768 bytes in the body");
		return;
	}
	chaos_request_init(&cr, CHAOS_INFO); /* is it there? */
	cr.vm = rq->what;
	rq->on_reply = console_open;
	backend_send(rq, &cr);
}

/* --- wait --- */

static void wait_reply(struct rq *rq, const struct chaos_reply *r)
{
	if (!r->last)
		return;
	ev_timer_stop(rq->api->loop, &rq->timeout);
	rq->json = vm_json(&r->vm);
	rq_answer(rq, MHD_HTTP_OK);
}

static void on_timeout(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct rq *rq = t->data;

	(void)loop;
	(void)revents;
	backend_forget(rq);
	rq_problem(rq, ETIMEDOUT, "\"%s\" is still running", rq->what);
}

void run_wait(struct rq *rq)
{
	const char *until = rq_query(rq, "for");
	const char *timeout = rq_query(rq, "timeout");
	struct chaos_request cr;
	double seconds = 0;

	chaos_request_init(&cr, CHAOS_WAIT);
	cr.vm = rq->what;
	if (until && strcmp(until, "ready") == 0)
		cr.flags = CHAOS_READY;
	else if (until && strcmp(until, "end") != 0) {
		rq_problem(rq, EINVAL, "for=%s: use ready or end", until);
		return;
	}
	if (timeout) {
		char *end = NULL;

		seconds = strtod(timeout, &end);
		if (end == timeout || *end || !(seconds >= 0 && seconds <= 86400)) {
			rq_problem(rq, EINVAL, "timeout=%s: 0 to 86400 seconds", timeout);
			return;
		}
	}
	rq->on_reply = wait_reply;
	backend_stream(rq, &cr);
	if (timeout && rq->own) {
		ev_timer_init(&rq->timeout, on_timeout, seconds, 0.);
		rq->timeout.data = rq;
		ev_timer_start(rq->api->loop, &rq->timeout);
	}
}
