/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that have their rights from the start, and received files that are always closed. */
#include "base/unix.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- listening and connecting --- */

static int address(struct sockaddr_un *a, const char *path)
{
	size_t len = strlen(path);

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (len >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, len);
	return 0;
}

int unix_connect(const char *path, int type, int flags)
{
	struct sockaddr_un a;
	int rc = address(&a, path);
	int fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	return fd;
}

/* A full queue, or a socket of another type, also show that a process listens. */
static bool is_listened_on(const char *path, int type)
{
	int fd = unix_connect(path, type, SOCK_NONBLOCK);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 || fd == -EAGAIN || fd == -EPROTOTYPE;
}

static int make_room(const struct unix_listener *l, struct err *e)
{
	struct stat st;

	if (is_listened_on(l->path, l->type))
		return err_set(e, EADDRINUSE, "socket %s: a process listens there already",
			       l->path);
	if (lstat(l->path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "%s exists and is not a socket: remove it", l->path);
	if (unlink(l->path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the old socket %s", l->path);
	return 0;
}

int unix_listen(const struct unix_listener *l, struct err *e)
{
	bool group = l->group != UNIX_NO_GROUP;
	struct sockaddr_un a;
	int fd;
	int rc;

	if (address(&a, l->path) < 0)
		return err_set(e, ENAMETOOLONG, "socket \"%s\": the path is too long", l->path);
	rc = make_room(l, e);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, l->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "make a socket for %s", l->path);
	/* bind() makes the file with the mode of the socket, so it is private from the start,
	 * without changing the umask, which all threads share. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) < 0) {
		rc = err_sys(e, errno, "make the socket %s", l->path);
		(void)close(fd);
		return rc;
	}
	if ((group && chown(l->path, (uid_t)-1, l->group) < 0) ||
	    chmod(l->path, group ? 0660 : 0600) < 0 || listen(fd, l->backlog) < 0) {
		rc = err_sys(e, errno, "listen on the socket %s", l->path);
		(void)unlink(l->path);
		(void)close(fd);
		return rc;
	}
	return fd;
}

/* --- packets --- */

int unix_send(int fd, const void *buf, size_t len, const int *files, uint32_t nfile, int flags)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * UNIX_FILES_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfile > UNIX_FILES_MAX)
		return -E2BIG;
	if (nfile > 0) {
		struct cmsghdr *h;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfile);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * nfile);
		memcpy(CMSG_DATA(h), files, sizeof(int) * nfile);
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Records all files that the kernel has opened for this process, and closes those beyond `most`. */
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
