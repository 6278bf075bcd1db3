/* SPDX-License-Identifier: BSD-3-Clause */
/* Room in the cache of images: what is left over or not used goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/dirs.h"
#include "oci/image.h"

#define RESERVE (64u << 20) /* bytes that others find free afterwards */

struct kept {
	char name[128];
	struct timespec used;
	uint64_t bytes;
};

struct list {
	struct kept *at;
	size_t n, room;
	uint64_t bytes;
};

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name);

	return len > strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

/* Of one that was killed: no process has its lock. */
static void remove_left_over(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat here, there;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &here) == 0 &&
	    fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == there.st_ino)
		(void)unlinkat(dir, name, 0);
	(void)close(fd);
}

/* False: it is in use. */
static bool remove_unused(int dir, const char *name)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool gone;

	if (fd < 0)
		return errno == ENOENT;
	gone = fcntl(fd, F_OFD_SETLK, &all) == 0 && unlinkat(dir, name, 0) == 0;
	(void)close(fd);
	return gone;
}

static int add_image(struct list *l, const char *name, const struct stat *st)
{
	struct kept *k;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct kept *more = realloc(l->at, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->at = more;
		l->room = room;
	}
	k = &l->at[l->n++];
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	k->used = st->st_atim;
	k->bytes = (uint64_t)st->st_blocks * 512;
	l->bytes += k->bytes;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct kept *x = a;
	const struct kept *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int read_folder(int dir, struct list *l, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int rc = 0;

	if (!d) {
		rc = err_sys(e, errno, "read the cache");
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while (rc == 0 && (entry = dir_next(d, &rc))) {
		const char *name = entry->d_name;
		struct stat st;

		if (!ends_with(name, ".erofs") || strlen(name) >= sizeof(l->at->name))
			continue;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			rc = errno == ENOENT ? 0 : -errno; /* another has removed it */
		else if (S_ISREG(st.st_mode))
			rc = add_image(l, name, &st);
	}
	(void)closedir(d);
	if (rc < 0)
		return err_sys(e, -rc, "read the cache");
	if (l->n)
		qsort(l->at, l->n, sizeof(*l->at), compare);
	return 0;
}

void image_sweep(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int rc = 0;

	if (!d) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	/* what is not read here stays until the next time */
	while ((entry = dir_next(d, &rc)))
		if (ends_with(entry->d_name, ".new"))
			remove_left_over(dir, entry->d_name);
	(void)closedir(d);
}

static uint64_t bytes_free(int dir)
{
	struct statvfs s;

	return fstatvfs(dir, &s) < 0 ? 0 : (uint64_t)s.f_bavail * s.f_frsize;
}

int image_room(int dir, const struct image_cache *c, uint64_t bytes, struct err *e)
{
	uint64_t most = c->mib << 20;
	struct list l = {0};
	int rc;

	if (bytes > most)
		return err_set(e, EFBIG, "it has up to %ju MiB, and the cache may have %ju MiB",
			       (uintmax_t)bytes >> 20, (uintmax_t)c->mib);
	rc = read_folder(dir, &l, e);
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		if (l.bytes + bytes <= most && bytes_free(dir) >= bytes + RESERVE)
			break;
		if (remove_unused(dir, l.at[i].name))
			l.bytes -= l.at[i].bytes;
	}
	free(l.at);
	if (rc == 0 && l.bytes + bytes > most)
		rc = err_set(e, ENOSPC,
			     "it has up to %ju MiB, and of the %ju MiB of the cache %ju MiB are in "
			     "use",
			     (uintmax_t)bytes >> 20, (uintmax_t)c->mib, (uintmax_t)l.bytes >> 20);
	if (rc == 0 && bytes_free(dir) < bytes + RESERVE)
		rc = err_set(e, ENOSPC, "it has up to %ju MiB, and \"%s\" has %ju MiB free",
			     (uintmax_t)bytes >> 20, c->folder, (uintmax_t)bytes_free(dir) >> 20);
	return rc;
}
