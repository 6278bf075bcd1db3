/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting that pauses, and files that never leak. */
#include "base/unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define PAUSE_S 0.1

/* --- accepting --- */

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
	struct unix_acceptor *a = io->data;
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
	struct unix_acceptor *a = t->data;

	(void)revents;
	ev_io_start(loop, &a->io);
}

void unix_accept_start(struct unix_acceptor *a, struct ev_loop *loop, int fd,
		       void (*accepted)(struct unix_acceptor *a, int fd), void *data)
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

void unix_accept_stop(struct unix_acceptor *a)
{
	if (!a->loop)
		return;
	ev_io_stop(a->loop, &a->io);
	ev_timer_stop(a->loop, &a->pause);
}

/* --- packets --- */

/* Takes note of what the kernel has opened for us, all of it: files beyond `most` are closed. */
static bool take_files(struct msghdr *m, int *files, uint32_t most, uint32_t *nfile)
{
	bool all = true;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (*nfile < most) {
				files[(*nfile)++] = fd;
			} else {
				(void)close(fd);
				all = false;
			}
		}
	}
	return all;
}

ssize_t unix_receive(int fd, void *buf, size_t room, int *files, uint32_t most, uint32_t *nfile)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * UNIX_FILES_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {buf, room};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool all;

	*nfile = 0;
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	all = take_files(&m, files, most, nfile);
	if (m.msg_flags & MSG_TRUNC)
		n = -EMSGSIZE;
	else if (!all || (m.msg_flags & MSG_CTRUNC))
		n = -EMFILE;
	if (n <= 0)
		while (*nfile)
			(void)close(files[--*nfile]);
	return n;
}
