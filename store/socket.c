/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's Unix socket. */
#include "store/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <utlist.h>

#include "base/acceptor.h"
#include "base/log.h"
#include "base/unix.h"
#include "store/store.h"

#define CLIENTS_MAX 256u
#define CHUNK	    4096u

struct client {
	struct client *prev, *next;
	struct storesocket *ss;
	struct store_conn *conn;
	ev_io in, out;
	uint8_t left[CHUNK]; /* read, but not taken yet */
	uint32_t left_at, left_len;
};

struct storesocket {
	struct ev_loop *loop;
	struct store *store;
	int fd;
	struct acceptor accept;
	struct client *clients;
	uint32_t n;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void drop(struct client *cl)
{
	struct storesocket *ss = cl->ss;

	ev_io_stop(ss->loop, &cl->in);
	ev_io_stop(ss->loop, &cl->out);
	store_conn_close(cl->conn);
	(void)close(cl->in.fd);
	DL_DELETE(ss->clients, cl);
	ss->n--;
	free(cl);
}

/* False: the connection has ended. */
static bool flush(struct client *cl)
{
	const uint8_t *data;
	uint32_t n;

	while ((n = store_conn_output(cl->conn, &data)) > 0) {
		ssize_t sent = send(cl->in.fd, data, n, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			ev_io_start(cl->ss->loop, &cl->out);
			return true;
		}
		if (sent < 0) {
			drop(cl);
			return false;
		}
		store_conn_sent(cl->conn, (uint32_t)sent);
	}
	if (cl->left_len == 0) /* else on_out() offers it again */
		ev_io_stop(cl->ss->loop, &cl->out);
	return true;
}

/* Gives the store what was read; the rest is offered again later. False: the connection has
 * ended. */
static bool feed(struct client *cl)
{
	int took = store_conn_input(cl->conn, cl->left + cl->left_at, cl->left_len);

	if (took < 0) {
		drop(cl);
		return false;
	}
	cl->left_at += (uint32_t)took;
	cl->left_len -= (uint32_t)took;
	if (cl->left_len) {
		ev_io_stop(cl->ss->loop, &cl->in);
		if (store_room(cl->ss->store) == STORE_ROOM_NONE)
			ev_io_stop(cl->ss->loop, &cl->out); /* on_wake() tells when to go on */
		else
			ev_io_start(cl->ss->loop, &cl->out);
	} else {
		ev_io_start(cl->ss->loop, &cl->in);
	}
	return true;
}

static void on_in(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *cl = w->data;
	ssize_t n;

	(void)loop;
	(void)revents;
	n = recv(w->fd, cl->left, sizeof(cl->left), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(cl);
		return;
	}
	cl->left_at = 0;
	cl->left_len = (uint32_t)n;
	if (feed(cl))
		(void)flush(cl);
}

static void on_out(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *cl = w->data;

	(void)loop;
	(void)revents;
	if (flush(cl) && cl->left_len && feed(cl))
		(void)flush(cl);
}

/* Called during a call of the store: the loop sends later. */
static void on_wake(struct store_conn *c, void *arg)
{
	struct client *cl = arg;

	(void)c;
	ev_io_start(cl->ss->loop, &cl->out);
}

static void accepted(struct acceptor *a, int fd)
{
	static const struct store_conn_ops ops = {on_wake};
	struct storesocket *ss = a->data;
	struct client *cl;

	cl = ss->n < CLIENTS_MAX ? calloc(1, sizeof(*cl)) : NULL;
	if (!cl || store_conn_new(ss->store, 0, false, &ops, cl, &cl->conn, NULL) < 0) {
		free(cl);
		(void)close(fd);
		return;
	}
	cl->ss = ss;
	ev_io_init(&cl->in, on_in, fd, EV_READ);
	ev_io_init(&cl->out, on_out, fd, EV_WRITE);
	cl->in.data = cl;
	cl->out.data = cl;
	DL_APPEND(ss->clients, cl);
	ss->n++;
	ev_io_start(ss->loop, &cl->in);
}

/* The folder is made; its modes are those of xenstored. */
static int listen_at(const char *path, struct err *e)
{
	struct unix_listener l = {
		.path = path, .type = SOCK_STREAM, .backlog = 16, .group = UNIX_NO_GROUP};
	const char *slash = strrchr(path, '/');
	char *dir = strndup(path, slash ? (size_t)(slash - path) : 0);

	if (!dir)
		return err_set(e, ENOMEM, "out of memory");
	if (*dir && mkdir(dir, 0755) < 0 && errno != EEXIST) {
		int rc = err_sys(e, errno, "%s", dir);

		free(dir);
		return rc;
	}
	free(dir);
	return unix_listen(&l, e);
}

int storesocket_open(struct ev_loop *loop, struct store *s, const char *path,
		     struct storesocket **out, struct err *e)
{
	struct storesocket *ss = calloc(1, sizeof(*ss));
	int fd;

	*out = NULL;
	if (!ss)
		return err_set(e, ENOMEM, "out of memory");
	fd = listen_at(path, e);
	if (fd < 0) {
		free(ss);
		return fd;
	}
	ss->loop = loop;
	ss->store = s;
	ss->fd = fd;
	(void)snprintf(ss->path, sizeof(ss->path), "%s", path);
	acceptor_start(&ss->accept, loop, fd, accepted, ss);
	*out = ss;
	return 0;
}

void storesocket_close(struct storesocket *ss)
{
	if (!ss)
		return;
	while (ss->clients)
		drop(ss->clients); /* NOLINT(clang-analyzer-unix.Malloc) */
	acceptor_stop(&ss->accept);
	(void)close(ss->fd);
	(void)unlink(ss->path);
	free(ss);
}
