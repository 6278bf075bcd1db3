/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a file on the loop, where that cannot wait for anything. */
#include "split-toolstack/engine/files/local.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#define TRIES 3

/*
 * RESOLVE_CACHED (Linux 5.12) walks a path through the kernel's cache of names alone: what is not
 * there, or has to be asked for anew (d_revalidate of NFS, FUSE and the like), is EAGAIN. That does
 * not suffice on such file systems: the root of a mount is asked for at the end of the walk in any
 * case (d_weak_revalidate), and their open() talks to the server. So it is used while
 * mounts_are_local(); else, and before Linux 5.12, all files are opened by threads.
 */

static int open_cached(int dirfd, const char *path, unsigned int flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC,
			       .resolve = RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS};

	int fd = -1;

	/* A rename or mount elsewhere at this moment is EAGAIN as well. */
	for (int i = 0; i < TRIES; i++) {
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

/* What is no regular file goes to a thread, which says so. O_NONBLOCK: a device or a pipe that is
 * named as a kernel does not wait for its other end. */
int quick_open(int dirfd, const char *path)
{
	struct stat st;
	int fd = mounts_are_local() ? open_cached(dirfd, path, O_RDONLY | O_NONBLOCK) : -1;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		(void)close(fd);
		fd = -1;
	}
	return fd < 0 ? -EAGAIN : fd;
}
