/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: credentials once, then packets to requests and answers to packets. */
#include "split-toolstack/chaosd/server.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/acceptor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/unix.h"
#include "split-toolstack/chaosd/metrics.h"

/* A connection with more than this waiting for its client is not read from. */
#define QUEUE_STOP (256u << 10)
/* A list of all VMs must fit in: then the connection is given up. */
#define QUEUE_LIMIT (64u << 20)

struct server {
	struct ev_loop *loop;
	struct engine *en;
	int fd;
	struct acceptor accept;
	struct conn *conns;
	uint32_t nconn;
	ev_tstamp last_request;
	gid_t gid;
	bool have_gid;
	char path[108];
	uint8_t in[PROTO_FRAME_MAX], out[PROTO_FRAME_MAX];
};

struct engine *server_engine(struct server *s)
{
	return s->en;
}

uint32_t server_clients(const struct server *s)
{
	return s->nconn;
}

ev_tstamp server_last_request(const struct server *s)
{
	return s->last_request;
}

/* --- the life of a connection --- */

void conn_ref(struct conn *c)
{
	c->refs++;
}

void conn_unref(struct conn *c)
{
	if (--c->refs)
		return;
	free(c);
}

static void hang_up(struct conn *c)
{
	struct server *s = c->s;

	if (c->gone)
		return;
	c->gone = true;
	streams_end(c);
	ev_io_stop(s->loop, &c->in);
	ev_io_stop(s->loop, &c->out);
	(void)close(c->fd);
	while (c->queue) {
		struct out_frame *f = c->queue;

		c->queue = f->next;
		free(f);
	}
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->nconn--;
	lists_pump(c);
	conn_unref(c);
}

/* --- out --- */

/* 1: sent; 0: no room now. */
static int send_now(struct conn *c, const void *bytes, uint32_t len)
{
	ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = io->data;

	(void)revents;
	conn_ref(c);
	while (c->queue) {
		struct out_frame *f = c->queue;
		int rc = send_now(c, f->bytes, f->len);

		if (rc == 0)
			break;
		if (rc < 0) {
			hang_up(c);
			break;
		}
		c->queue = f->next;
		if (!c->queue)
			c->queue_tail = &c->queue;
		c->queued -= f->len;
		free(f);
	}
	if (!c->gone && !c->queue) {
		ev_io_stop(loop, &c->out);
		streams_pump(c);
		lists_pump(c);
	}
	if (!c->gone && c->queued < QUEUE_STOP)
		ev_io_start(loop, &c->in);
	conn_unref(c);
}

void reply_begin(struct conn *c, struct wire_out *w, enum proto_op op, uint32_t tag)
{
	wire_begin(w, c->s->out, sizeof(c->s->out), op, tag);
}

void reply_send(struct conn *c, struct wire_out *w)
{
	uint32_t len = wire_end(w);
	struct out_frame *f;

	if (c->gone)
		return;
	if (len == 0) {
		log_line(LOG_ERROR, "client pid=%d: an answer did not fit a frame", c->pid);
		hang_up(c);
		return;
	}
	if (!c->queue) {
		int rc = send_now(c, w->buf, len);

		if (rc < 0)
			hang_up(c);
		if (rc != 0)
			return;
	}
	f = c->queued + len > QUEUE_LIMIT ? NULL : malloc(sizeof(*f) + len);
	if (!f) {
		hang_up(c);
		return;
	}
	f->next = NULL;
	f->len = len;
	memcpy(f->bytes, w->buf, len);
	*c->queue_tail = f;
	c->queue_tail = &f->next;
	c->queued += len;
	ev_io_start(c->s->loop, &c->out);
	if (c->queued >= QUEUE_STOP)
		ev_io_stop(c->s->loop, &c->in);
}

void reply_ok(struct conn *c, uint32_t tag)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_OK, tag);
	reply_send(c, &w);
}

void reply_error(struct conn *c, uint32_t tag, const struct err *e)
{
	struct wire_out w;

	reply_begin(c, &w, PROTO_ERROR, tag);
	wire_u32(&w, PROTO_CODE, (uint32_t)(e->code ? e->code : EIO));
	wire_text(&w, PROTO_TEXT, err_msg(e));
	reply_send(c, &w);
}

/* --- in --- */

static void run_request(struct server *s, struct request *r, size_t len)
{
	struct err e = {0};
	uint64_t start;
	int rc = wire_parse(&r->in, s->in, len);

	if (rc == -EPROTONOSUPPORT) {
		(void)err_set(&e, EPROTONOSUPPORT, "protocol version %u; chaosd speaks %u",
			      r->in.h.version, PROTO_VERSION);
		reply_error(r->c, r->in.h.tag, &e);
		hang_up(r->c);
		return;
	}
	if (rc < 0) {
		(void)err_set(&e, EPROTO, "a frame that makes no sense");
		reply_error(r->c, 0, &e);
		hang_up(r->c);
		return;
	}
	for (uint32_t i = 0; i < noperation; i++) {
		if (operations[i].op != (enum proto_op)r->in.h.op)
			continue;
		start = clock_ns();
		rc = operations[i].run(s->en, r, &e);
		if (rc < 0)
			reply_error(r->c, r->in.h.tag, &e);
		metrics_operation(i, clock_ns() - start, rc < 0);
		return;
	}
	(void)err_set(&e, ENOSYS, "request %u is unknown to this chaosd", r->in.h.op);
	reply_error(r->c, r->in.h.tag, &e);
}

/* A packet that cannot be taken as it was sent is an error of its connection. */
static void refuse_packet(struct conn *c, int rc)
{
	struct err e = {0};

	if (rc == -EMFILE)
		(void)err_set(
			&e, EMFILE,
			"the files of the request could not be taken: more than %u, or chaosd "
			"has too many open",
			PROTO_FDS_MAX);
	else
		(void)err_set(&e, EPROTO, "a frame that makes no sense");
	conn_ref(c);
	reply_error(c, 0, &e);
	hang_up(c);
	conn_unref(c);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = io->data;
	struct server *s = c->s;
	struct request r = {.c = c};
	ssize_t n = unix_receive(c->fd, s->in, sizeof(s->in), r.fd, PROTO_FDS_MAX, &r.nfd);

	(void)loop;
	(void)revents;
	if (n == -EAGAIN)
		return;
	if (n == -EMSGSIZE || n == -EMFILE) {
		refuse_packet(c, (int)n);
		return;
	}
	if (n <= 0) {
		hang_up(c);
		return;
	}
	s->last_request = ev_now(s->loop);
	conn_ref(c);
	run_request(s, &r, (size_t)n);
	for (uint32_t i = 0; i < r.nfd; i++)
		if (r.fd[i] >= 0)
			(void)close(r.fd[i]);
	conn_unref(c);
}

/* --- which clients may come in --- */

/* The socket's mode decides first; this also holds when a connected socket is passed on. */
static bool may(const struct server *s, int fd, struct ucred *cred)
{
	gid_t groups[256];
	socklen_t len = sizeof(*cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len) < 0)
		return false;
	if (cred->uid == 0 || cred->uid == geteuid())
		return true;
	if (!s->have_gid)
		return false;
	if (cred->gid == s->gid)
		return true;
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == s->gid)
			return true;
	return false;
}

static struct conn *new_conn(struct server *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->s = s;
	c->refs = 1;
	c->fd = fd;
	c->queue_tail = &c->queue;
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
	s->nconn++;
	ev_io_init(&c->in, on_readable, fd, EV_READ);
	ev_io_init(&c->out, on_writable, fd, EV_WRITE);
	c->in.data = c;
	c->out.data = c;
	ev_io_start(s->loop, &c->in);
	return c;
}

static void accepted(struct acceptor *a, int fd)
{
	struct server *s = a->data;
	struct err e = {0};
	struct ucred cred;
	struct conn *c;

	if (!may(s, fd, &cred)) {
		log_line(LOG_WARN, "client refused: no rights");
		(void)close(fd);
		return;
	}
	c = new_conn(s, fd);
	if (!c) {
		(void)close(fd);
		return;
	}
	c->pid = cred.pid;
	c->uid = cred.uid;
	if (s->nconn <= CLIENTS_MAX) {
		on_readable(s->loop, &c->in, EV_READ); /* a command has sent its request already */
	} else {
		(void)err_set(&e, EBUSY, "chaosd has %u clients already; try again later",
			      CLIENTS_MAX);
		conn_ref(c); /* the answer may be the end of it */
		reply_error(c, 0, &e);
		hang_up(c);    /* NOLINT(clang-analyzer-unix.Malloc) */
		conn_unref(c); /* NOLINT(clang-analyzer-unix.Malloc) */
	}
}

/* --- opening --- */

static int find_group(struct server *s, const char *name, struct err *e)
{
	const struct group *g;

	if (!name || !*name)
		return 0;
	g = getgrnam(name);
	if (!g) {
		log_line(LOG_WARN,
			 "group \"%s\" does not exist: only root can use the socket "
			 "(\"systemd-sysusers\" or \"groupadd --system %s\" makes it)",
			 name, name);
		return 0;
	}
	s->gid = g->gr_gid;
	s->have_gid = true;
	(void)e;
	return 0;
}

static int listen_on(struct server *s, const char *path, struct err *e)
{
	struct unix_listener l = {.path = path,
				  .type = SOCK_SEQPACKET,
				  .backlog = 256,
				  .group = s->have_gid ? s->gid : UNIX_NO_GROUP};

	s->fd = unix_listen(&l, e);
	if (s->fd < 0)
		return s->fd;
	(void)snprintf(s->path, sizeof(s->path), "%s", path);
	return 0;
}

int server_open(struct ev_loop *loop, struct engine *en, const struct server_conf *conf,
		struct server **out, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->loop = loop;
	s->en = en;
	s->fd = conf->listen_fd;
	rc = find_group(s, conf->group, e);
	if (rc == 0 && s->fd < 0)
		rc = listen_on(s, conf->path, e);
	if (rc < 0) {
		server_close(s);
		return rc;
	}
	rc = streams_open(en, loop, s, e);
	if (rc < 0) {
		server_close(s);
		return rc;
	}
	lists_open(loop);
	acceptor_start(&s->accept, loop, s->fd, accepted, s);
	*out = s;
	return 0;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	if (s->accept.loop) {
		acceptor_stop(&s->accept);
		streams_close();
	}
	while (s->conns)
		hang_up(s->conns); /* NOLINT(clang-analyzer-unix.Malloc) */
	lists_close();
	if (s->fd >= 0)
		(void)close(s->fd);
	if (s->path[0])
		(void)unlink(s->path);
	free(s);
}
