/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of a cpio archive ("newc"), as Linux unpacks it. Links in a tree are never followed. */
#include "oci/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/dirs.h"

struct linked {
	dev_t dev;
	ino_t ino;
	uint32_t inode;
};

static int compare(const void *a, const void *b)
{
	const struct linked *x = a;
	const struct linked *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

/* --- entries --- */

static int put(struct archive *a, const void *data, size_t len)
{
	a->bytes += len;
	if (a->bytes > ARCHIVE_MAX)
		return err_set(a->e, EFBIG, "the image, with its mounts, is larger than %llu MiB",
			       ARCHIVE_MAX >> 20);
	return fwrite(data, 1, len, a->f) == len ? 0 : err_sys(a->e, errno, "write the initramfs");
}

static int pad(struct archive *a)
{
	static const char zero[4];

	return a->bytes % 4 ? put(a, zero, 4 - a->bytes % 4) : 0;
}

int archive_head(struct archive *a, const char *name, const struct stat *st, uint32_t inode,
		 uint64_t size)
{
	char head[128];
	int n = snprintf(head, sizeof(head),
			 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode,
			 (unsigned int)st->st_mode, (unsigned int)st->st_uid,
			 (unsigned int)st->st_gid, (unsigned int)st->st_nlink,
			 (unsigned int)st->st_mtime, (unsigned int)size, 0U, 0U, major(st->st_rdev),
			 minor(st->st_rdev), (unsigned int)strlen(name) + 1, 0U);
	int rc = put(a, head, (size_t)n);

	if (rc == 0)
		rc = put(a, name, strlen(name) + 1);
	return rc == 0 ? pad(a) : rc;
}

int archive_node(struct archive *a, const char *name, mode_t mode, dev_t dev)
{
	struct stat st = {.st_mode = mode, .st_nlink = 1, .st_rdev = dev};

	return archive_head(a, name, &st, ++a->inode, 0);
}

int archive_file(struct archive *a, const char *name, int fd, const struct stat *st, uint32_t inode)
{
	static char data[65536];
	uint64_t left = (uint64_t)st->st_size;
	int rc = left > ARCHIVE_MAX ? -EFBIG : archive_head(a, name, st, inode, left);

	if (rc == -EFBIG && left > ARCHIVE_MAX)
		return err_set(a->e, EFBIG, "\"%s\" is larger than %llu MiB", name,
			       ARCHIVE_MAX >> 20);
	while (rc == 0 && left) {
		ssize_t n = read(fd, data, left < sizeof(data) ? left : sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
		if (n == 0) { /* it became shorter */
			n = (ssize_t)(left < sizeof(data) ? left : sizeof(data));
			memset(data, 0, (size_t)n);
		}
		rc = put(a, data, (size_t)n);
		left -= (uint64_t)n;
	}
	return rc == 0 ? pad(a) : rc;
}

int archive_text(struct archive *a, const char *name, const char *data, size_t len)
{
	struct stat st = {.st_mode = S_IFREG | 0600, .st_nlink = 1};
	int rc = archive_head(a, name, &st, ++a->inode, len);

	if (rc == 0)
		rc = put(a, data, len);
	return rc == 0 ? pad(a) : rc;
}

/* A further name of a file has no data: Linux links it to the first. */
static int inode_of(struct archive *a, const struct stat *st, uint32_t *inode, bool *again)
{
	struct linked *l = malloc(sizeof(*l));
	struct linked **found;

	*again = false;
	*inode = a->inode + 1;
	if (!l)
		return err_set(a->e, ENOMEM, "out of memory");
	*l = (struct linked){st->st_dev, st->st_ino, *inode};
	found = (struct linked **)tsearch(l, &a->links, compare);
	if (!found) {
		free(l);
		return err_set(a->e, ENOMEM, "out of memory");
	}
	if (*found == l) {
		a->inode++;
		return 0;
	}
	*again = true;
	*inode = (*found)->inode;
	free(l);
	return 0;
}

/* --- trees --- */

static int put_regular(struct archive *a, int at, const char *leaf, const char *name)
{
	/* what it is was looked at before: it may be another thing now */
	int fd = openat(at, leaf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	uint32_t inode = a->inode + 1;
	bool again = false;
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(a->e, EINVAL, "\"%s\" was changed while it was read", name);
	else if (st.st_nlink > 1)
		rc = inode_of(a, &st, &inode, &again);
	else
		a->inode++;
	if (rc == 0)
		rc = again ? archive_head(a, name, &st, inode, 0)
			   : archive_file(a, name, fd, &st, inode);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int put_link(struct archive *a, int at, const char *leaf, const char *name,
		    const struct stat *st)
{
	char to[4096];
	ssize_t n = readlinkat(at, leaf, to, sizeof(to));
	int rc;

	if (n < 0)
		return err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
	rc = archive_head(a, name, st, ++a->inode, (uint64_t)n);
	if (rc == 0)
		rc = put(a, to, (size_t)n);
	return rc == 0 ? pad(a) : rc;
}

static int put_entry(struct archive *a, int at, const char *leaf, const char *name, int depth)
{
	struct stat st;
	int fd;
	int rc;

	if (fstatat(at, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
	if (S_ISREG(st.st_mode))
		return put_regular(a, at, leaf, name);
	if (S_ISLNK(st.st_mode))
		return put_link(a, at, leaf, name, &st);
	if (S_ISSOCK(st.st_mode))
		return 0;
	st.st_nlink = 1;
	rc = archive_head(a, name, &st, ++a->inode, 0);
	if (rc < 0 || !S_ISDIR(st.st_mode))
		return rc;
	fd = openat(at, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
	return archive_tree(a, fd, name, depth + 1);
}

static void note_opaque(const struct archive *a, int dir, const char *name)
{
	char value = '\0';

	if (fgetxattr(dir, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y')
		(void)fwrite(name, 1, strlen(name) + 1, a->opaque);
}

int archive_tree(struct archive *a, int dir, const char *name, int depth)
{
	DIR *d = fdopendir(dir);
	const struct dirent *entry = NULL;
	int rc = 0;

	if (!d) {
		rc = err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
		(void)close(dir);
		return rc;
	}
	if (a->opaque)
		note_opaque(a, dirfd(d), name);
	if (depth > ARCHIVE_DEPTH) {
		(void)closedir(d);
		return err_set(a->e, EINVAL, "%s: more than %d folders deep", name, ARCHIVE_DEPTH);
	}
	while (rc == 0 && (entry = dir_next(d, &rc))) {
		char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&path, "%s/%s", name, entry->d_name) < 0)
			rc = err_set(a->e, ENOMEM, "out of memory");
		else
			rc = put_entry(a, dirfd(d), entry->d_name, path, depth);
		free(path);
	}
	if (rc < 0 && !entry)
		(void)err_sys(a->e, -rc, "read the folder \"%s\" for the initramfs", name);
	(void)closedir(d);
	return rc;
}

int archive_end(struct archive *a, int rc)
{
	struct stat end = {.st_nlink = 1};

	if (rc == 0)
		rc = archive_head(a, ARCHIVE_LAST, &end, 0, 0);
	tdestroy(a->links, free);
	a->links = NULL;
	return rc;
}
