/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes and checks folders by descriptor, so that the folder that was checked is the one that is
 * used. */
#include "base/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_ours(const struct stat *st, const char *path, bool last, struct err *e)
{
	mode_t others = last ? S_IWGRP | S_IWOTH : S_IWOTH;

	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(e, EPERM,
			       "folder %s belongs to user %u: choose another folder, or \"chown "
			       "root %s\" if its contents are yours",
			       path, st->st_uid, path);
	if (last && st->st_uid != geteuid())
		return err_set(e, EPERM, "folder %s belongs to root", path);
	if ((st->st_mode & others) && (last || !(st->st_mode & S_ISVTX)))
		return err_set(e, EPERM,
			       "folder %s can be written by others (mode %03o): \"chmod go-w %s\"",
			       path, st->st_mode & 0777, path);
	return 0;
}

/* Opens the folder `path`, whose links are resolved, and checks it and all above it. */
static int open_checked(const char *path, struct err *e)
{
	char part[PATH_MAX];
	int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *at = path;

	if (dir < 0)
		return err_sys(e, errno, "open the folder /");
	while (*at) {
		size_t len = strcspn(++at, "/");
		struct stat st;
		char whole[PATH_MAX];
		int next;
		int rc;

		if (len == 0)
			break;
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, at);
		at += len;
		(void)snprintf(whole, sizeof(whole), "%.*s", (int)(at - path), path);
		next = openat(dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		(void)close(dir);
		if (next < 0)
			return err_sys(e, errno, "open the folder %s", whole);
		dir = next;
		rc = fstat(dir, &st) < 0 ? err_sys(e, errno, "examine the folder %s", whole)
					 : is_ours(&st, whole, *at == '\0', e);
		if (rc < 0) {
			(void)close(dir);
			return rc;
		}
	}
	return dir;
}

static int make(const char *path, mode_t mode, struct err *e)
{
	char parent[PATH_MAX];
	char *slash;

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return err_set(e, ENAMETOOLONG, "folder %s: the path is too long", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		(void)mkdir(parent, 0755);
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the folder %s", path);
	return 0;
}

int dir_prepare(const char *path, bool open_to_readers, struct err *e)
{
	mode_t mode = open_to_readers ? 0755 : 0700;
	char *real;
	int dir;
	int rc = make(path, mode, e);

	if (rc < 0)
		return rc;
	real = realpath(path, NULL);
	if (!real)
		return err_sys(e, errno, "resolve the folder %s", path);
	dir = open_checked(real, e);
	if (dir >= 0 && !open_to_readers) {
		/* An O_PATH descriptor has no fchmod(); the folder cannot have been moved. */
		if (chmod(real, mode) < 0) {
			rc = err_sys(e, errno, "protect the folder %s", path);
			(void)close(dir);
			dir = rc;
		}
	}
	free(real);
	return dir;
}

static int refuse_link(int dir, const char *path, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) /* it may just have been removed */
		return errno == ENOENT ? 0 : err_sys(e, errno, "examine %s/%s", path, name);
	if (!S_ISLNK(st.st_mode))
		return 0;
	return err_set(e, EPERM,
		       "folder %s: \"%s\" is a symbolic link, which is not followed; remove it",
		       path, name);
}

int dir_refuse_links(int dir, const char *path, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;
	int rc = 0;

	if (!d) {
		rc = err_sys(e, errno, "read the folder %s", path);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while (rc == 0 && (entry = dir_next(d, &rc)) != NULL)
		rc = refuse_link(dir, path, entry->d_name, e);
	if (rc < 0 && !entry)
		(void)err_sys(e, -rc, "read the folder %s", path);
	(void)closedir(d);
	return rc;
}

struct dirent *dir_next(DIR *d, int *rc)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(d);
	if (!entry && errno)
		*rc = -errno;
	return entry;
}
