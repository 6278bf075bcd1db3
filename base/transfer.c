/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing what a client has passed, on a thread. */
#include "base/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe that poll(2) calls writable takes so much without waiting. */
#define PIECE ((size_t)PIPE_BUF)

static int check(struct transfer *t, bool writing, struct err *e)
{
	int flags = fcntl(t->fd, F_GETFL);
	int mode = flags & O_ACCMODE;
	struct stat st;

	if (flags < 0 || fstat(t->fd, &st) < 0)
		return err_sys(e, errno, "the file");
	if (flags & O_PATH || (mode != O_RDWR && mode != (writing ? O_WRONLY : O_RDONLY)))
		return err_set(e, EINVAL, "the file is not open for %s",
			       writing ? "writing" : "reading");
	t->sock = S_ISSOCK(st.st_mode);
	t->polled = !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
	return 0;
}

int transfer_open(struct transfer *t, int fd, bool writing, struct err *e)
{
	int rc;

	*t = (struct transfer){.fd = fd, .cancel = -1};
	rc = check(t, writing, e);
	if (rc == 0) {
		t->cancel = eventfd(0, EFD_CLOEXEC);
		if (t->cancel < 0)
			rc = err_sys(e, errno, "eventfd");
	}
	if (rc < 0)
		transfer_close(t);
	return rc;
}

void transfer_close(struct transfer *t)
{
	if (t->fd >= 0)
		(void)close(t->fd);
	if (t->cancel >= 0)
		(void)close(t->cancel);
	t->fd = -1;
	t->cancel = -1;
}

void transfer_cancel(struct transfer *t)
{
	__atomic_store_n(&t->cancelled, true, __ATOMIC_RELEASE);
	(void)eventfd_write(t->cancel, 1);
}

bool transfer_is_cancelled(const struct transfer *t)
{
	return __atomic_load_n(&t->cancelled, __ATOMIC_ACQUIRE);
}

/* 0 when the next piece does not wait. */
static int wait_turn(const struct transfer *t, short events)
{
	struct pollfd p[2] = {{.fd = t->fd, .events = events}, {.fd = t->cancel, .events = POLLIN}};

	while (t->polled && poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return transfer_is_cancelled(t) ? -ECANCELED : 0;
}

/* Drops what was moved; 0 when that was all. */
static unsigned int advance(struct iovec **iov, unsigned int n, size_t moved)
{
	while (n && moved >= (*iov)->iov_len) {
		moved -= (*iov)->iov_len;
		(*iov)++;
		n--;
	}
	if (n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + moved;
		(*iov)->iov_len -= moved;
	}
	return n;
}

static ssize_t write_some(const struct transfer *t, const struct iovec *iov, unsigned int n)
{
	size_t len = iov->iov_len < PIECE ? iov->iov_len : PIECE;

	if (!t->polled)
		return writev(t->fd, iov, n > IOV_MAX ? IOV_MAX : (int)n);
	if (t->sock)
		return send(t->fd, iov->iov_base, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(t->fd, iov->iov_base, len);
}

int transfer_write(struct transfer *t, struct iovec *iov, unsigned int n)
{
	n = advance(&iov, n, 0);
	while (n) {
		int rc = wait_turn(t, POLLOUT);
		ssize_t moved = rc < 0 ? rc : write_some(t, iov, n);

		if (rc < 0)
			return rc;
		if (moved < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (moved > 0) {
			t->bytes += (uint64_t)moved;
			n = advance(&iov, n, (size_t)moved);
		}
	}
	return 0;
}

ssize_t transfer_read(struct transfer *t, struct iovec *iov, unsigned int n)
{
	ssize_t all = 0;

	n = advance(&iov, n, 0);
	while (n) {
		int rc = wait_turn(t, POLLIN);
		ssize_t moved = rc < 0 ? rc : readv(t->fd, iov, n > IOV_MAX ? IOV_MAX : (int)n);

		if (rc < 0)
			return rc;
		if (moved < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (moved == 0)
			break;
		if (moved > 0) {
			all += moved;
			t->bytes += (uint64_t)moved;
			n = advance(&iov, n, (size_t)moved);
		}
	}
	return all;
}
