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

/* RESOLVE_CACHED (Linux 5.12) only walks the kernel's cache of names: if a name is missing or
 * must be revalidated (d_revalidate of NFS, FUSE and others), the result is EAGAIN. On such file
 * systems that is not enough: the root of a mount is revalidated at the end of a walk in any
 * case (d_weak_revalidate), and their open() contacts the server. So it is used only if
 * mounts_are_local(); otherwise, and before Linux 5.12, threads open all files. */

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

/* Anything but a regular file is left to a thread, which reports the error. O_NONBLOCK: opening
 * a device or pipe that was given as a kernel must not wait for its other end. */
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
