/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP connections: when almost all are in use, those whose clients are idle are closed. */
#include "split-toolstack/api/api.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <utlist.h>

/* With fewer free connections than this. */
#define FREE_MIN 64u
/* A client always has this much time for its next step. */
#define GRACE_S 2.0
#define LOOK_S	0.5

/* A connection; those that wait for their client are in a list, the longest wait first. */
struct http_client {
	struct api *api;
	int fd;
	bool waits;
	ev_tstamp since;
	struct http_client *next, *prev;
};

static void stop_waiting(struct http_client *c)
{
	if (c->waits)
		DL_DELETE(c->api->idle, c);
	c->waits = false;
}

static void evict(struct api *a)
{
	ev_tstamp now = ev_now(a->loop);

	while (a->nclient > CONNECTIONS_MAX - FREE_MIN && a->idle &&
	       now - a->idle->since >= GRACE_S) {
		struct http_client *c = a->idle;

		stop_waiting(c);
		a->nclient--;
		/* The HTTP server sees the end and closes it. */
		(void)shutdown(c->fd, SHUT_RDWR);
		c->fd = -1;
	}
	if (a->nclient > CONNECTIONS_MAX - FREE_MIN && !ev_is_active(&a->evict))
		ev_timer_again(a->loop, &a->evict);
	else if (a->nclient <= CONNECTIONS_MAX - FREE_MIN)
		ev_timer_stop(a->loop, &a->evict);
}

static void on_evict(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	evict(t->data);
}

static struct http_client *client_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

void client_notify(void *cls, struct MHD_Connection *conn, void **context,
		   enum MHD_ConnectionNotificationCode code)
{
	struct api *a = cls;
	struct http_client *c = *context;
	const union MHD_ConnectionInfo *i;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		c = calloc(1, sizeof(*c));
		*context = c;
		i = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (!c || !i)
			return; /* it is never evicted */
		c->api = a;
		c->fd = i->connect_fd;
		a->nclient++;
		client_waits(conn, true);
		evict(a);
	} else if (c) {
		stop_waiting(c);
		if (c->api && c->fd >= 0)
			a->nclient--;
		free(c);
		*context = NULL;
	}
}

void client_waits(struct MHD_Connection *conn, bool waits)
{
	struct http_client *c = client_of(conn);

	if (!c || !c->api || c->fd < 0)
		return;
	stop_waiting(c);
	if (!waits)
		return;
	c->waits = true;
	c->since = ev_now(c->api->loop);
	DL_APPEND(c->api->idle, c);
}

void clients_open(struct api *a)
{
	ev_init(&a->evict, on_evict);
	a->evict.repeat = LOOK_S;
	a->evict.data = a;
}

void clients_close(struct api *a)
{
	ev_timer_stop(a->loop, &a->evict);
}
