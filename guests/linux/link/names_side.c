/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that ask, and servers that are asked. Both may be hostile, as the other end may. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guests/linux/link/names_parts.h"

/* --- programs on this side --- */

static struct asker *new_asker(struct names *n, uint16_t *id)
{
	struct asker *a;

	*id = n->next++;
	a = &n->asker[*id % NAMES_FLYING];
	*a = (struct asker){.used = true, .id = *id, .caller = -1};
	return a;
}

/* The address to which it was sent: the answer comes from there. */
static uint32_t sent_to(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return info.ipi_addr.s_addr;
		}
	return 0;
}

void names_from_program(struct names *n)
{
	struct sockaddr_in from = {0};
	union {
		struct cmsghdr h;
		uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct iovec v = {n->message, sizeof(n->message)};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(n->e->udp, &m, MSG_DONTWAIT);
	struct record r = {.kind = ASK};
	struct asker *a;

	if (len < (ssize_t)LEAST)
		return;
	a = new_asker(n, &r.id);
	a->from = from;
	a->at = r.server = sent_to(&m);
	r.len = (uint32_t)len;
	names_say(n, &r, n->message);
}

static void to_program(struct names *n, const struct asker *a, uint8_t *data, uint32_t len)
{
	union {
		struct cmsghdr h;
		uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = a->at};
	struct sockaddr_in to = a->from;
	struct iovec v = {data, len};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};

	memset(&control, 0, sizeof(control));
	control.h.cmsg_level = IPPROTO_IP;
	control.h.cmsg_type = IP_PKTINFO;
	control.h.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(&control.h), &info, sizeof(info));
	(void)sendmsg(n->e->udp, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void names_end_caller(struct caller *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c->p);
	*c = (struct caller){.fd = -1};
}

void names_new_caller(struct names *n)
{
	struct sockaddr_in at = {0};
	socklen_t len = sizeof(at);
	int fd = accept4(n->e->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t i = 0;

	if (fd < 0)
		return;
	while (i < CALLERS && n->caller[i].fd >= 0)
		i++;
	if (i == CALLERS)
		i = n->turn++ % CALLERS;
	names_end_caller(&n->caller[i]);
	n->caller[i].p = calloc(1, sizeof(struct piece));
	if (!n->caller[i].p || getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		(void)close(fd);
		return;
	}
	n->caller[i].fd = fd;
	n->caller[i].at = at.sin_addr.s_addr;
}

static uint32_t piece_len(const struct piece *p)
{
	return 2u + ((uint32_t)p->data[0] << 8 | p->data[1]);
}

/* 1: the message is there; 0: not yet; -1: there will be none. */
static int read_piece(int fd, struct piece *p)
{
	uint32_t want = p->have < 2 ? 2 : piece_len(p);
	ssize_t got = recv(fd, p->data + p->have, want - p->have, MSG_DONTWAIT);

	if (got <= 0)
		return got < 0 && names_again() ? 0 : -1;
	p->have += (uint32_t)got;
	if (p->have < 2 || p->have < piece_len(p))
		return 0;
	return p->have >= 2 + LEAST ? 1 : -1;
}

static void put_piece(struct piece *p, const uint8_t *data, uint32_t len)
{
	p->data[0] = (uint8_t)(len >> 8);
	p->data[1] = (uint8_t)len;
	memcpy(p->data + 2, data, len);
	p->have = 0;
}

/* As read_piece(). */
static int write_piece(int fd, struct piece *p)
{
	ssize_t done =
		send(fd, p->data + p->have, piece_len(p) - p->have, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0)
		return names_again() ? 0 : -1;
	p->have += (uint32_t)done;
	if (p->have < piece_len(p))
		return 0;
	p->have = 0;
	return 1;
}

void names_serve_caller(struct names *n, uint32_t i)
{
	struct caller *c = &n->caller[i];
	struct record r = {.kind = ASK, .tcp = 1, .server = c->at};
	int rc = c->writes ? write_piece(c->fd, c->p) : read_piece(c->fd, c->p);

	if (rc < 0)
		names_end_caller(c);
	if (rc <= 0)
		return;
	c->waits = !c->writes;
	c->writes = false;
	if (!c->waits)
		return;
	new_asker(n, &r.id)->caller = (int)i;
	c->id = r.id;
	r.len = c->p->have - 2;
	names_say(n, &r, c->p->data + 2);
	c->p->have = 0;
}

void names_answer(struct names *n, const struct record *r, uint8_t *data)
{
	struct asker *a = &n->asker[r->id % NAMES_FLYING];
	struct caller *c = a->caller >= 0 ? &n->caller[a->caller] : NULL;

	if (!a->used || a->id != r->id)
		return;
	a->used = false;
	if (!c) {
		to_program(n, a, data, r->len);
	} else if (c->fd >= 0 && c->waits && c->id == r->id) {
		put_piece(c->p, data, r->len);
		c->waits = false;
		c->writes = true;
	}
}

/* --- servers --- */

void names_end_question(struct question *q)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	free(q->p);
	*q = (struct question){.fd = -1};
}

/* No server can be asked: the question comes back as a failure of the server. */
static void refuse(struct names *n, struct record r, uint8_t *data)
{
	r.kind = ANSWER;
	data[2] |= 0x80;
	data[3] = (uint8_t)((data[3] & 0xf0) | 2);
	names_say(n, &r, data);
}

static int put_question(const struct names *n, struct question *q, const struct record *r,
			const uint8_t *data)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = n->e->port,
				 .sin_addr.s_addr = n->e->server ? n->e->server : r->server};

	q->id = r->id;
	q->fd = socket(AF_INET, (r->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0);
	if (q->fd < 0 ||
	    (connect(q->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS))
		return -1;
	if (!r->tcp)
		return send(q->fd, data, r->len, MSG_NOSIGNAL) < 0 ? -1 : 0;
	q->p = calloc(1, sizeof(*q->p));
	if (!q->p)
		return -1;
	put_piece(q->p, data, r->len);
	q->writes = true;
	return 0;
}

void names_ask(struct names *n, const struct record *r, uint8_t *data)
{
	struct question *q = &n->question[r->id % NAMES_FLYING];

	names_end_question(q);
	if (put_question(n, q, r, data) < 0) {
		names_end_question(q);
		refuse(n, *r, data);
	}
}

void names_serve_question(struct names *n, struct question *q)
{
	struct record r = {.kind = ANSWER, .id = q->id, .tcp = q->p != NULL};
	const uint8_t *data = n->message;
	int rc = 1;

	if (q->p) {
		rc = q->writes ? write_piece(q->fd, q->p) : read_piece(q->fd, q->p);
		if (rc < 0 && q->writes) {
			r.len = piece_len(q->p) - 2;
			refuse(n, r, q->p->data + 2);
		}
		if (rc > 0 && q->writes) {
			q->writes = false;
			return;
		}
		r.len = q->p->have - (rc > 0 ? 2 : 0);
		data = q->p->data + 2;
	} else {
		ssize_t len = recv(q->fd, n->message, sizeof(n->message), MSG_DONTWAIT);

		rc = len < 0 && names_again() ? 0 : len < (ssize_t)LEAST ? -1 : 1;
		r.len = rc > 0 ? (uint32_t)len : 0;
	}
	if (rc > 0)
		names_say(n, &r, data);
	if (rc != 0)
		names_end_question(q);
}

int names_listen(uint32_t address, uint16_t port, int *udp, int *tcp)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = address};
	int one = 1;
	int rc = 0;

	*udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	*tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*udp < 0 || *tcp < 0 ||
	    setsockopt(*udp, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    setsockopt(*tcp, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    setsockopt(*udp, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0 ||
	    setsockopt(*tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(*udp, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    bind(*tcp, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(*tcp, CALLERS) < 0)
		rc = -errno;
	if (rc < 0) {
		if (*udp >= 0)
			(void)close(*udp);
		if (*tcp >= 0)
			(void)close(*tcp);
		*udp = *tcp = -1;
	}
	return rc;
}
