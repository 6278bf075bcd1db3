/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: checks credentials once, then turns packets into requests and answers into
 * packets. */
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

struct server {
	struct ev_loop *loop;
	struct engine *en;
	int fd;
	struct acceptor accept;
	const struct operations *ops;
	bool opened; /* the operations */
	gid_t gid;
	bool have_gid;
	char path[108];
	uint8_t in[PROTO_FRAME_MAX];
	struct conns conns;
};

uint32_t server_clients(const struct server *s)
{
	return s->conns.n;
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
		conn_hang_up(r->c);
		return;
	}
	if (rc < 0) {
		(void)err_set(&e, EPROTO, "the request is a malformed frame");
		reply_error(r->c, 0, &e);
		conn_hang_up(r->c);
		return;
	}
	if (r->in.h.op < PROTO_REQ_FIRST) { /* and none is above the last: wire_parse() */
		(void)err_set(&e, ENOSYS, "request %u is unknown to this chaosd", r->in.h.op);
		reply_error(r->c, r->in.h.tag, &e);
		return;
	}
	start = clock_ns();
	rc = s->ops->run[r->in.h.op - PROTO_REQ_FIRST](s->en, r, &e);
	if (rc < 0)
		reply_error(r->c, r->in.h.tag, &e);
	metrics_operation((enum proto_op)r->in.h.op, clock_ns() - start, rc < 0);
}

/* A packet that cannot be received as it was sent is an error of its connection. */
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
		(void)err_set(&e, EPROTO, "the request is a malformed frame");
	conn_ref(c);
	reply_error(c, 0, &e);
	conn_hang_up(c);
	conn_unref(c);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = io->data;
	struct server *s = c->owner;
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
		conn_hang_up(c);
		return;
	}
	s->conns.last_request = ev_now(s->loop);
	conn_ref(c);
	run_request(s, &r, (size_t)n);
	for (uint32_t i = 0; i < r.nfd; i++)
		if (r.fd[i] >= 0)
			(void)close(r.fd[i]);
	conn_unref(c);
}

/* --- which clients may come in --- */

/* The socket's mode is checked first by the kernel; this check also holds if a connected socket
 * was passed on. */
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

static void accepted(struct acceptor *a, int fd)
{
	struct server *s = a->data;
	struct err e = {0};
	struct ucred cred = {.uid = (uid_t)-1};
	struct conn *c;

	if (!may(s, fd, &cred)) {
		log_line(LOG_WARN,
			 "op=refused uid=%u pid=%d: not root, and not in the socket's group",
			 (unsigned)cred.uid, (int)cred.pid);
		(void)close(fd);
		return;
	}
	c = conn_new(&s->conns, fd, on_readable, s);
	if (!c) {
		(void)close(fd);
		return;
	}
	c->pid = cred.pid;
	c->uid = cred.uid;
	if (s->conns.n <= CLIENTS_MAX) {
		on_readable(s->loop, &c->in, EV_READ); /* a command has sent its request already */
	} else {
		(void)err_set(&e, EBUSY, "chaosd has %u clients already; try again later",
			      CLIENTS_MAX);
		conn_ref(c); /* the answer may be the end of it */
		reply_error(c, 0, &e);
		conn_hang_up(c); /* NOLINT(clang-analyzer-unix.Malloc) */
		conn_unref(c);	 /* NOLINT(clang-analyzer-unix.Malloc) */
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
	s->conns.loop = loop;
	s->en = en;
	s->ops = conf->ops;
	s->fd = conf->listen_fd;
	rc = find_group(s, conf->group, e);
	if (rc == 0 && s->fd < 0)
		rc = listen_on(s, conf->path, e);
	if (rc == 0)
		rc = s->ops->open(en, &s->conns, e);
	if (rc < 0) {
		server_close(s);
		return rc;
	}
	s->opened = true;
	acceptor_start(&s->accept, loop, s->fd, accepted, s);
	*out = s;
	return 0;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	if (s->accept.loop)
		acceptor_stop(&s->accept);
	while (s->conns.first)
		conn_hang_up(s->conns.first); /* NOLINT(clang-analyzer-unix.Malloc) */
	if (s->opened)
		s->ops->close();
	if (s->fd >= 0)
		(void)close(s->fd);
	if (s->path[0])
		(void)unlink(s->path);
	free(s);
}
