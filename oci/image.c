/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cache of images, a folder:
 *   KEY.erofs  an image. Who uses it has a shared lock on the open file (F_OFD_SETLK), as chaosd
 * and the loop devices of VMs have; who removes it has an exclusive one at that moment. KEY.new one
 * that is made. Who makes it, and the program that does it, have a lock (flock); it gets its name
 * when it is whole.
 */
#include "oci/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 64 /* an image may be removed between being made and being opened */

static int open_folder(const struct image_cache *c, struct err *e)
{
	char *path = strdup(c->folder);
	struct stat st;
	int fd;

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	for (char *p = path + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(path, 0755);
			*p = '/';
		}
	(void)mkdir(path, 0700);
	free(path);
	fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = err_sys(e, errno, "open the cache \"%s\"", c->folder);

		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return fd;
	(void)close(fd);
	return err_set(e, EPERM, "cache \"%s\": others may write to it", c->folder);
}

/* 0: it is there and stays; -ENOENT: there is none, or it is being removed. */
static int open_image(int dir, const char *name, struct image *out, struct err *e)
{
	struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct timespec now[2] = {{.tv_sec = 0}, {.tv_nsec = UTIME_OMIT}};
	struct stat st;
	int rc = 0;

	out->fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (out->fd < 0)
		return errno == ENOENT ? -ENOENT : err_sys(e, errno, "open the image \"%s\"", name);
	if (fcntl(out->fd, F_OFD_SETLK, &all) < 0)
		rc = errno == EAGAIN || errno == EACCES
			     ? -ENOENT
			     : err_sys(e, errno, "lock the image \"%s\"", name);
	if (rc == 0 && fstat(out->fd, &st) < 0)
		rc = err_sys(e, errno, "open the image \"%s\"", name);
	if (rc == 0 && st.st_nlink == 0)
		rc = -ENOENT;
	if (rc < 0) {
		(void)close(out->fd);
		out->fd = -1;
		return rc;
	}
	/* when it was used last, finer than the kernel's ticks; its contents have their own time */
	if (clock_gettime(CLOCK_REALTIME, &now[0]) == 0)
		(void)futimens(out->fd, now);
	return 0;
}

/* The file that is to become the image, locked; -EAGAIN: it is another one by now. */
static int open_new(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat here, there;
	int rc;

	if (fd < 0)
		return err_sys(e, errno, "make \"%s\"", name);
	do {
		rc = flock(fd, LOCK_EX);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0 || fstat(fd, &here) < 0) {
		rc = err_sys(e, errno, "lock the image \"%s\"", name);
		(void)close(fd);
		return rc;
	}
	if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == there.st_ino)
		return fd;
	(void)close(fd);
	return -EAGAIN;
}

static int write_image(int dir, const struct image_cache *c, const struct layers *l,
		       const char *rootfs, int fd, const char *name, struct err *e)
{
	char *path = NULL;
	uint64_t bytes = 0;
	int rc = layers_size(l, rootfs, &bytes, e);

	if (rc == 0)
		rc = image_room(dir, c, bytes, e);
	if (rc == 0 && asprintf(&path, "%s/%s", c->folder, name) < 0) {
		path = NULL;
		rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc == 0 && ftruncate(fd, 0) < 0)
		rc = err_sys(e, errno, "empty \"%s\"", name);
	if (rc == 0)
		rc = image_make(l, rootfs, path, fd, c->mib << 20, e);
	free(path);
	return rc < 0 || fsync(fd) == 0 ? rc : err_sys(e, errno, "write \"%s\"", name);
}

/* -EAGAIN: another one has made it, or removed the file. */
static int make_image(int dir, const struct image_cache *c, const struct layers *l,
		      const char *rootfs, const char *name, struct err *e)
{
	char new[sizeof(l->key) + 8];
	struct stat st;
	int fd;
	int rc;

	(void)snprintf(new, sizeof(new), "%s.new", l->key);
	fd = open_new(dir, new, e);
	if (fd < 0)
		return fd;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		rc = -EAGAIN;
	else
		rc = write_image(dir, c, l, rootfs, fd, new, e);
	if (rc == 0 && renameat(dir, new, dir, name) < 0)
		rc = err_sys(e, errno, "name the image");
	if (rc < 0)
		(void)unlinkat(dir, new, 0);
	(void)close(fd);
	return rc;
}

int image_get(const struct image_cache *c, const struct layers *l, const char *rootfs,
	      struct image *out, struct err *e)
{
	char name[sizeof(l->key) + 8];
	int dir = open_folder(c, e);
	int rc = dir < 0 ? dir : -EAGAIN;

	*out = (struct image){.fd = -1};
	if (dir >= 0)
		image_sweep(dir);
	(void)snprintf(name, sizeof(name), "%s.erofs", l->key);
	for (int i = 0; rc == -EAGAIN && i < TRIES; i++) {
		rc = open_image(dir, name, out, e);
		if (rc == -ENOENT)
			rc = make_image(dir, c, l, rootfs, name, e);
		else
			break;
		if (rc == 0)
			rc = -EAGAIN; /* open it */
	}
	if (rc == -EAGAIN)
		rc = err_set(e, EAGAIN, "it was removed again and again");
	if (rc == 0 && asprintf(&out->path, "%s/%s", c->folder, name) < 0) {
		out->path = NULL;
		rc = err_set(e, ENOMEM, "out of memory");
	}
	if (dir >= 0)
		(void)close(dir);
	if (rc < 0)
		image_free(out);
	return rc;
}

void image_free(struct image *i)
{
	free(i->path);
	if (i->fd >= 0)
		(void)close(i->fd);
	*i = (struct image){.fd = -1};
}
