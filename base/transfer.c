/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing what a client has passed, on a thread. */
#include "base/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUNCE ((size_t)128 << 10)

/* A pipe is opened again to get a non-blocking descriptor, while other holders keep the passed
 * one. If that is not possible (no permission, no /proc), each call uses RWF_NOWAIT, which pipes
 * support since Linux 6.4. */
static void own_end(struct transfer *t, bool writing)
{
	char path[32];
	int own;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", t->fd);
	own = open(path, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
	t->no_reader = own < 0 && errno == ENXIO;
	if (own < 0)
		return;
	(void)close(t->fd);
	t->fd = own;
	t->own = true;
}

static int check(struct transfer *t, bool writing, struct err *e)
{
	int flags = fcntl(t->fd, F_GETFL);
	int mode = flags & O_ACCMODE;
	struct statx st; /* its type, for which no server is asked */

	if (flags < 0 || statx(t->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return err_sys(e, errno, "examine the file");
	if (flags & O_PATH || (mode != O_RDWR && mode != (writing ? O_WRONLY : O_RDONLY)))
		return err_set(e, EINVAL, "the file is not open for %s",
			       writing ? "writing" : "reading");
	t->sock = S_ISSOCK(st.stx_mode);
	t->pipe = S_ISFIFO(st.stx_mode);
	t->polled = !S_ISREG(st.stx_mode) && !S_ISBLK(st.stx_mode);
	if ((t->polled && !t->sock && !t->pipe && !S_ISCHR(st.stx_mode)) ||
	    (S_ISCHR(st.stx_mode) && isatty(t->fd))) /* of a file FUSE would ask its server */
		return err_set(e, EINVAL, "it is not a file, pipe or socket");
	if (t->pipe)
		own_end(t, writing);
	return 0;
}

int transfer_open(struct transfer *t, int fd, bool writing, struct err *e)
{
	int rc;

	*t = (struct transfer){.fd = fd, .cancel = -1, .at = -1};
	rc = check(t, writing, e);
	if (rc == 0) {
		t->cancel = eventfd(0, EFD_CLOEXEC);
		if (t->cancel < 0)
			rc = err_sys(e, errno, "make an eventfd for the file");
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
	free(t->bounce);
	t->bounce = NULL;
	t->fd = -1;
	t->cancel = -1;
}

void transfer_cancel(struct transfer *t)
{
	__atomic_store_n(&t->cancelled, true, __ATOMIC_RELEASE);
	(void)eventfd_write(t->cancel, 1);
}

void transfer_at(struct transfer *t, off_t at)
{
	if (t->polled)
		return;
	if (at < 0 && t->at >= 0)
		(void)lseek(t->fd, t->at, SEEK_SET);
	t->at = at;
}

bool transfer_in_memory(const struct transfer *t, uint64_t most)
{
	struct stat st;

	/* A file with seals is in shmem; asking for seals calls no file system. */
	return !t->polled && fcntl(t->fd, F_GET_SEALS) >= 0 && fstat(t->fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size <= most;
}

bool transfer_is_cancelled(const struct transfer *t)
{
	return __atomic_load_n(&t->cancelled, __ATOMIC_ACQUIRE);
}

/* 0 if there is something to read or room to write; another holder of this end may take it. */
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

/* A call that does not block: what poll(2) reported may have been taken by another holder of the
 * same end. (Regular files and block devices do not wait for other processes; for a character
 * device it depends on the driver.) */
static ssize_t move(const struct transfer *t, struct iovec *iov, unsigned int n, bool writing)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};

	if (t->sock)
		return writing ? sendmsg(t->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)
			       : recvmsg(t->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (t->pipe && writing && t->no_reader) {
		errno = EPIPE;
		return -1;
	}
	if (t->pipe && !t->own)
		return writing ? pwritev2(t->fd, iov, (int)n, -1, RWF_NOWAIT)
			       : preadv2(t->fd, iov, (int)n, -1, RWF_NOWAIT);
	if (t->at >= 0 && !writing)
		return preadv(t->fd, iov, (int)n, t->at);
	return writing ? writev(t->fd, iov, (int)n) : readv(t->fd, iov, (int)n);
}

/* Pages of a domain cannot be written directly to a disk (O_DIRECT, some FUSE file systems):
 * they are copied first. */
static ssize_t move_copied(struct transfer *t, const struct iovec *iov, bool writing)
{
	size_t len = iov->iov_len < BOUNCE ? iov->iov_len : BOUNCE;
	struct iovec copy;
	ssize_t moved;

	if (!t->bounce)
		t->bounce = aligned_alloc(4096, BOUNCE);
	if (!t->bounce)
		return -1; /* ENOMEM */
	copy = (struct iovec){t->bounce, len};
	if (writing)
		memcpy(t->bounce, iov->iov_base, len);
	moved = move(t, &copy, 1, writing);
	if (!writing && moved > 0)
		memcpy(iov->iov_base, t->bounce, (size_t)moved);
	return moved;
}

/* The next piece: its bytes, 0 at the end of what is read or when nothing moved (*again), -errno.
 */
static ssize_t move_some(struct transfer *t, struct iovec *iov, unsigned int n, bool writing,
			 bool *again)
{
	ssize_t moved = wait_turn(t, writing ? POLLOUT : POLLIN);

	*again = false;
	if (moved < 0)
		return moved;
	moved = t->bounce ? move_copied(t, iov, writing)
			  : move(t, iov, n > IOV_MAX ? IOV_MAX : n, writing);
	if (moved < 0 && errno == EFAULT && !t->bounce)
		moved = move_copied(t, iov, writing);
	if (moved < 0 && errno != EINTR && errno != EAGAIN)
		return -errno;
	*again = moved < 0;
	if (moved > 0) {
		t->bytes += (uint64_t)moved;
		t->at += t->at >= 0 ? moved : 0;
	}
	return *again ? 0 : moved;
}

int transfer_write(struct transfer *t, struct iovec *iov, unsigned int n)
{
	n = advance(&iov, n, 0);
	while (n) {
		bool again;
		ssize_t moved = move_some(t, iov, n, true, &again);

		if (moved < 0)
			return (int)moved;
		n = advance(&iov, n, (size_t)moved);
	}
	return 0;
}

ssize_t transfer_read(struct transfer *t, struct iovec *iov, unsigned int n)
{
	ssize_t all = 0;

	n = advance(&iov, n, 0);
	while (n) {
		bool again;
		ssize_t moved = move_some(t, iov, n, false, &again);

		if (moved < 0)
			return moved;
		if (moved == 0 && !again)
			break;
		all += moved;
		n = advance(&iov, n, (size_t)moved);
	}
	return all;
}
