/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of sockets, packets, and what commands in a terminal need. */
#include "join/join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/unix.h"

/* --- the folder --- */

void join_path(const char *uuid, char path[JOIN_PATH])
{
	(void)snprintf(path, JOIN_PATH, "%s/%s", JOIN_FOLDER, uuid);
}

int join_lock(struct err *e)
{
	struct stat st;
	int fd;

	if (mkdir(JOIN_FOLDER, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the folder %s", JOIN_FOLDER);
	fd = open(JOIN_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = err_sys(e, errno, "open the folder %s", JOIN_FOLDER);

		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	if (st.st_uid != geteuid() || st.st_mode & 077) {
		(void)close(fd);
		return err_set(e, EPERM, "folder %s: other users own it or may use it; remove it",
			       JOIN_FOLDER);
	}
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			int rc = err_sys(e, errno, "lock the folder %s", JOIN_FOLDER);

			(void)close(fd);
			return rc;
		}
	return fd;
}

void join_remove(const char *uuid)
{
	char path[JOIN_PATH];

	join_path(uuid, path);
	(void)unlink(path);
}

/* --- packets --- */

int join_hear(int fd, int ms, struct control_answer *a)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint32_t none;
	ssize_t n;
	int rc = poll(&p, 1, ms);

	a->rc = -EPIPE;
	if (rc <= 0)
		return rc < 0 ? -errno : -ETIMEDOUT;
	n = unix_receive(fd, a, sizeof(*a), NULL, 0, &none);
	if (n == -EAGAIN)
		return -EINTR;
	if (n < (ssize_t)sizeof(a->rc))
		return -EPIPE;
	a->message[sizeof(a->message) - 1] = '\0';
	return 0;
}

void join_tell(int fd, enum control_op op, uint32_t number)
{
	struct control_request rq = {.op = op, .number = number};

	(void)send(fd, &rq, sizeof(rq), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* --- terminals --- */

int join_own_file(int fd)
{
	char path[64];
	int own = -1;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (isatty(fd))
		own = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static struct termios before;

static void restore(void)
{
	(void)tcsetattr(0, TCSADRAIN, &before);
}

void join_raw(void)
{
	struct termios t;

	if (!isatty(0) || tcgetattr(0, &before) < 0)
		return;
	(void)atexit(restore);
	t = before;
	cfmakeraw(&t);
	(void)tcsetattr(0, TCSANOW, &t);
}
