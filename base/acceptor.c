/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting, with a pause at the limit of open files. */
#include "base/acceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define PAUSE_S 0.1

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
	struct acceptor *a = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd >= 0) {
		a->told = false;
		a->accepted(a, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return; /* it has gone, or another signal of the same one */
	if (!a->told)
		log_line(LOG_WARN, "op=accept: %s; new clients wait", strerror(errno));
	a->told = true;
	ev_io_stop(loop, io);
	ev_timer_set(&a->pause, PAUSE_S, 0.);
	ev_timer_start(loop, &a->pause);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct acceptor *a = t->data;

	(void)revents;
	ev_io_start(loop, &a->io);
}

void acceptor_start(struct acceptor *a, struct ev_loop *loop, int fd,
		    void (*accepted)(struct acceptor *a, int fd), void *data)
{
	a->loop = loop;
	a->accepted = accepted;
	a->data = data;
	a->told = false;
	ev_io_init(&a->io, on_connection, fd, EV_READ);
	ev_init(&a->pause, on_pause_over);
	a->io.data = a->pause.data = a;
	ev_io_start(loop, &a->io);
}

void acceptor_stop(struct acceptor *a)
{
	if (!a->loop)
		return;
	ev_io_stop(a->loop, &a->io);
	ev_timer_stop(a->loop, &a->pause);
}
