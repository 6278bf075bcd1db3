/* SPDX-License-Identifier: BSD-3-Clause */
#include "split-toolstack/engine/pool/tcp_probe.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel repeats a lost packet after a second; this is sooner. */
#define TRY_S  0.1
#define MOST_S 6.4

static void close_fd(struct tcp_probe *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
}

void tcp_probe_close(struct tcp_probe *p)
{
	close_fd(p);
	*p = TCP_PROBE_INIT;
}

static void begin(struct tcp_probe *p, const struct sockaddr_in *to, double now)
{
	const struct linger none = {.l_onoff = 1};

	p->span = p->span == 0. ? TRY_S : p->span * 2;
	if (p->span > MOST_S)
		p->span = MOST_S;
	p->until = now + p->span;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return;
	(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	if (connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		close_fd(p);
}

/* 1: connected; 0: not yet; -errno: refused, or no host has the address. */
static int result(const struct tcp_probe *p)
{
	struct pollfd f = {.fd = p->fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int rc = 0;

	if (poll(&f, 1, 0) != 1)
		return 0;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &rc, &len) < 0)
		return -errno;
	return rc ? -rc : 1;
}

bool tcp_probe_answers(struct tcp_probe *p, const struct sockaddr_in *to, double now)
{
	int rc = p->fd >= 0 ? result(p) : 0;

	if (rc > 0) {
		tcp_probe_close(p);
		return true;
	}
	if (rc < 0) {
		close_fd(p);
		p->until = now + TRY_S;
		p->span = 0.;
	}
	if (now < p->until)
		return false;
	close_fd(p);
	begin(p, to, now);
	if (p->fd < 0) {
		p->until = now + TRY_S;
		p->span = 0.;
	}
	return false;
}
