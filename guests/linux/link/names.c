/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of DNS between programs, the stream and servers: the stream, and the loop. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guests/linux/link/names_parts.h"

enum { P_IN, P_OUT, P_UDP, P_TCP, P_CALLER, P_QUESTION = P_CALLER + CALLERS };
#define P_COUNT (P_QUESTION + NAMES_FLYING)

/* --- the stream --- */

void names_say(struct names *n, const struct record *r, const uint8_t *data)
{
	uint8_t *to = n->out + n->out_len;

	if (HEAD + r->len > sizeof(n->out) - n->out_len)
		return;
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(r->len >> (8 * i));
	to[4] = (uint8_t)r->id;
	to[5] = (uint8_t)(r->id >> 8);
	to[6] = r->kind;
	to[7] = r->tcp;
	memcpy(to + 8, &r->server, 4);
	memcpy(to + HEAD, data, r->len);
	n->out_len += HEAD + r->len;
}

static int flush(struct names *n)
{
	ssize_t done = n->out_len ? write(n->e->out, n->out, n->out_len) : 0;

	if (done < 0)
		return names_again() ? 0 : -errno;
	n->out_len -= (uint32_t)done;
	memmove(n->out, n->out + done, n->out_len);
	return 0;
}

/* --- the loop --- */

/* A record, or a part of it. -EPIPE: the end; -EPROTO: it is none. */
static int from_stream(struct names *n)
{
	struct record r = {0};
	uint32_t want = HEAD;
	ssize_t got;

	if (n->in_len >= HEAD) {
		for (int i = 0; i < 4; i++)
			r.len |= (uint32_t)n->in[i] << (8 * i);
		if (r.len < LEAST || r.len > MESSAGE)
			return -EPROTO;
		want += r.len;
	}
	got = read(n->e->in, n->in + n->in_len, want - n->in_len);
	if (got < 0)
		return names_again() ? 0 : -errno;
	if (got == 0)
		return -EPIPE;
	n->in_len += (uint32_t)got;
	if (want == HEAD || n->in_len < want)
		return 0;
	n->in_len = 0;
	r.id = (uint16_t)(n->in[4] | n->in[5] << 8);
	r.kind = n->in[6];
	r.tcp = n->in[7];
	memcpy(&r.server, n->in + 8, 4);
	if (r.kind == ASK)
		names_ask(n, &r, n->in + HEAD);
	else if (r.kind == ANSWER)
		names_answer(n, &r, n->in + HEAD);
	return 0;
}

static void prepare(const struct names *n, struct pollfd *p)
{
	p[P_IN] = (struct pollfd){.fd = n->e->in, .events = POLLIN};
	p[P_OUT] = (struct pollfd){.fd = n->out_len ? n->e->out : -1, .events = POLLOUT};
	p[P_UDP] = (struct pollfd){.fd = n->e->udp, .events = POLLIN};
	p[P_TCP] = (struct pollfd){.fd = n->e->tcp, .events = POLLIN};
	for (uint32_t i = 0; i < CALLERS; i++) {
		const struct caller *c = &n->caller[i];

		/* one that waits is looked at when its answer is there */
		p[P_CALLER + i] = (struct pollfd){.fd = c->waits ? -1 : c->fd,
						  .events = c->writes ? POLLOUT : POLLIN};
	}
	for (uint32_t i = 0; i < NAMES_FLYING; i++) {
		const struct question *q = &n->question[i];

		p[P_QUESTION + i] =
			(struct pollfd){.fd = q->fd, .events = q->writes ? POLLOUT : POLLIN};
	}
}

static int turn(struct names *n)
{
	struct pollfd p[P_COUNT];
	int rc = 0;

	prepare(n, p);
	if (poll(p, P_COUNT, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	for (uint32_t i = 0; i < CALLERS; i++)
		if (p[P_CALLER + i].revents)
			names_serve_caller(n, i);
	for (uint32_t i = 0; i < NAMES_FLYING; i++)
		if (p[P_QUESTION + i].revents)
			names_serve_question(n, &n->question[i]);
	if (p[P_UDP].revents)
		names_from_program(n);
	if (p[P_TCP].revents)
		names_new_caller(n);
	if (p[P_IN].revents)
		rc = from_stream(n);
	return rc < 0 ? rc : flush(n);
}

int names_run(const struct names_end *e)
{
	struct names *n = calloc(1, sizeof(*n));
	int rc = n ? 0 : -ENOMEM;

	if (!n)
		return rc;
	n->e = e;
	for (uint32_t i = 0; i < CALLERS; i++)
		n->caller[i].fd = -1;
	for (uint32_t i = 0; i < NAMES_FLYING; i++)
		n->question[i].fd = -1;
	(void)fcntl(e->in, F_SETFL, fcntl(e->in, F_GETFL) | O_NONBLOCK);
	(void)fcntl(e->out, F_SETFL, fcntl(e->out, F_GETFL) | O_NONBLOCK);
	while (rc == 0)
		rc = turn(n);
	for (uint32_t i = 0; i < CALLERS; i++)
		names_end_caller(&n->caller[i]);
	for (uint32_t i = 0; i < NAMES_FLYING; i++)
		names_end_question(&n->question[i]);
	free(n);
	return rc == -EPIPE ? 0 : rc;
}
