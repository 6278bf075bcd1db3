/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder is removed, and gets its state.json, under a lock of its own: between mkdir and
 * state.json nothing else can tell it from one that was left. */
#include "oci/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_root(const struct oci *o, struct err *e)
{
	int fd = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "--root \"%s\"", o->root);
	return fd;
}

/* With all above it, as engines expect. */
int folder_make_root(const struct oci *o, struct err *e)
{
	char *path = strdup(o->root);
	int rc = 0;

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	for (char *p = path + 1; rc == 0; p++) {
		char before = *p;

		if (before && before != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			rc = err_sys(e, errno, "--root \"%s\"", path);
		*p = before;
		if (!before)
			break;
	}
	free(path);
	return rc;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Waits for what removes it, or gives it its state.json. 1: it is still the one of that name. */
static int lock(int root, const char *id, int fd)
{
	struct stat mine;
	struct stat now;

	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	if (fstat(fd, &mine) < 0)
		return -errno;
	if (fstatat(root, id, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return is_same(&mine, &now);
}

/* A file; -ENOENT, without a message: there is none. */
static int open_locked(int root, const char *id, struct err *e)
{
	for (;;) {
		int fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int rc = fd < 0 ? -errno : lock(root, id, fd);

		if (rc > 0)
			return fd;
		if (fd >= 0)
			(void)close(fd);
		if (rc == -ENOENT)
			return rc;
		if (rc < 0)
			return err_sys(e, -rc, "container %s: lock its folder", id);
	}
}

/* 1: it has one; 0. */
static int has_state(int fd, const char *id, struct err *e)
{
	if (faccessat(fd, STATE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "container %s: look for its state", id);
}

/* Until its state.json is removed "delete" finds all of it. */
static int discard(int root, int fd, const char *id, struct err *e)
{
	static const char *const files[] = {STATE_FILE ".new", "started", "paused",
					    "control",	       "taking",  STATE_FILE};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return err_sys(e, errno, "container %s: remove its file \"%s\"", id,
				       files[i]);
	if (unlinkat(root, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno,
			       "container %s: remove its folder (files there that are not of "
			       "chaos-oci have to be removed by hand)",
			       id);
	return 0;
}

static int exists(const char *id, struct err *e)
{
	return err_set(e, EEXIST, "container with id \"%s\" exists already", id);
}

/* 0: it was replaced by another process, or was left and is removed. */
static int make(int root, const char *id, struct err *e)
{
	bool is_mine = mkdirat(root, id, 0700) == 0;
	int fd;
	int rc;

	if (!is_mine && errno != EEXIST)
		return err_sys(e, errno, "container %s: make its folder", id);
	fd = open_locked(root, id, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = has_state(fd, id, e);
	if (rc > 0)
		rc = exists(id, e);
	else if (rc == 0 && is_mine)
		return fd;
	else if (rc == 0)
		rc = discard(root, fd, id, e);
	(void)close(fd);
	return rc;
}

int folder_make(const struct oci *o, const char *id, struct err *e)
{
	int root = folder_root(o, e);
	int rc = root < 0 ? root : 0;

	while (rc == 0)
		rc = make(root, id, e);
	if (root >= 0)
		(void)close(root);
	return rc;
}

/* 1: it is to be removed. */
static int is_meant(int fd, int dir, const char *id, struct err *e)
{
	struct stat a;
	struct stat b;
	int rc;

	if (dir < 0) {
		rc = has_state(fd, id, e);
		return rc > 0 ? exists(id, e) : rc == 0 ? 1 : rc;
	}
	if (fstat(fd, &a) < 0 || fstat(dir, &b) < 0)
		return err_sys(e, errno, "container %s: examine its folder", id);
	return is_same(&a, &b);
}

int folder_remove(const struct oci *o, const char *id, int dir, struct err *e)
{
	int root = folder_root(o, e);
	int fd;
	int rc;

	if (root < 0)
		return root == -ENOENT ? 0 : root;
	fd = open_locked(root, id, e);
	rc = fd == -ENOENT ? 0 : fd;
	if (fd >= 0) {
		rc = is_meant(fd, dir, id, e);
		if (rc > 0)
			rc = discard(root, fd, id, e);
		(void)close(fd);
	}
	(void)close(root);
	return rc;
}
