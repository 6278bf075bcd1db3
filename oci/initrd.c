/* SPDX-License-Identifier: BSD-3-Clause */
/* A cpio archive ("newc") of a tree, as Linux unpacks it. Links in the tree are never followed. */
#include "oci/initrd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ROOT	  "root"
#define BYTES_MAX (1ull << 30)
#define DEPTH_MAX 128

struct archive {
	FILE *f;
	uint64_t bytes;
	uint32_t inode; /* the last one given */
	void *links;	/* struct linked, of files that have several names */
	struct err *e;
};

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
	if (a->bytes > BYTES_MAX)
		return err_set(a->e, EFBIG, "the image, with its mounts, is larger than %llu MiB",
			       BYTES_MAX >> 20);
	return fwrite(data, 1, len, a->f) == len ? 0 : err_sys(a->e, errno, "write the initramfs");
}

static int pad(struct archive *a)
{
	static const char zero[4];

	return a->bytes % 4 ? put(a, zero, 4 - a->bytes % 4) : 0;
}

static int put_head(struct archive *a, const char *name, const struct stat *st, uint32_t inode,
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

static int put_node(struct archive *a, const char *name, mode_t mode, dev_t dev)
{
	struct stat st = {.st_mode = mode, .st_nlink = 1, .st_rdev = dev};

	return put_head(a, name, &st, ++a->inode, 0);
}

static int put_file(struct archive *a, const char *name, int fd, const struct stat *st,
		    uint32_t inode)
{
	static char data[65536];
	uint64_t left = (uint64_t)st->st_size;
	int rc = left > BYTES_MAX ? -EFBIG : put_head(a, name, st, inode, left);

	if (rc == -EFBIG && left > BYTES_MAX)
		return err_set(a->e, EFBIG, "\"%s\" is larger than %llu MiB", name,
			       BYTES_MAX >> 20);
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

static int put_tree(struct archive *a, int dir, const char *name, int depth);

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
		rc = again ? put_head(a, name, &st, inode, 0) : put_file(a, name, fd, &st, inode);
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
	rc = put_head(a, name, st, ++a->inode, (uint64_t)n);
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
	rc = put_head(a, name, &st, ++a->inode, 0);
	if (rc < 0 || !S_ISDIR(st.st_mode))
		return rc;
	fd = openat(at, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
	return put_tree(a, fd, name, depth + 1);
}

/* What is in a folder; takes the descriptor. */
static int put_tree(struct archive *a, int dir, const char *name, int depth)
{
	DIR *d = fdopendir(dir);
	const struct dirent *entry;
	int rc = 0;

	if (!d) {
		rc = err_sys(a->e, errno, "pack \"%s\" into the initramfs", name);
		(void)close(dir);
		return rc;
	}
	if (depth > DEPTH_MAX)
		rc = err_set(a->e, EINVAL, "%s: more than %d folders deep", name, DEPTH_MAX);
	while (rc == 0 && (entry = readdir(d))) {
		char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&path, "%s/%s", name, entry->d_name) < 0)
			rc = err_set(a->e, ENOMEM, "out of memory");
		else
			rc = put_entry(a, dirfd(d), entry->d_name, path, depth);
		free(path);
	}
	(void)closedir(d);
	return rc;
}

/* --- what is bound into the root --- */

static bool is_in_root(const struct bundle *b, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int dir = open(b->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	if (fd >= 0)
		(void)close(fd);
	if (dir >= 0)
		(void)close(dir);
	return fd >= 0;
}

static int put_parents(struct archive *a, const struct bundle *b, const char *destination)
{
	char name[4096];
	int rc = 0;

	if (snprintf(name, sizeof(name), ROOT "%s", destination) >= (int)sizeof(name))
		return err_set(a->e, EINVAL, "config.json: mount: the destination is too long");
	for (char *p = name + sizeof(ROOT); rc == 0 && *p; p++)
		if (*p == '/') {
			*p = '\0';
			if (!is_in_root(b, name + sizeof(ROOT)))
				rc = put_node(a, name, S_IFDIR | 0755, 0);
			*p = '/';
		}
	return rc;
}

static bool has_option(const json_t *mount, const char *word)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(mount, "options"), i, v)
	{
		if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
			return true;
	}
	return false;
}

static int put_bound(struct archive *a, const struct bundle *b, const json_t *mount)
{
	const char *source = json_string_value(json_object_get(mount, "source"));
	const char *to = json_string_value(json_object_get(mount, "destination"));
	char *name = NULL;
	struct stat st;
	int rc;
	int fd;

	if (!source || !to || to[0] != '/' || !bundle_path_stays(to) || stat(source, &st) < 0)
		return err_set(a->e, EINVAL,
			       "config.json: mount \"%s\": there is no such source, or the "
			       "destination is not an absolute path",
			       to ? to : "");
	if (strcmp(to, "/dev/shm") == 0)
		return 0; /* the VM has its own */
	if (S_ISDIR(st.st_mode) && !has_option(mount, "ro"))
		return err_set(a->e, ENOTSUP,
			       "config.json: mount \"%s\": a writable folder is not shared with a "
			       "VM; make it read-only (option ro)",
			       to);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || asprintf(&name, ROOT "%s", to) < 0) {
		rc = err_sys(a->e, errno, "mount \"%s\"", source);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	rc = put_parents(a, b, to);
	if (rc == 0 && S_ISDIR(st.st_mode)) {
		rc = is_in_root(b, to) ? 0 : put_node(a, name, S_IFDIR | 0755, 0);
		if (rc == 0) {
			rc = put_tree(a, fd, name, 0);
			fd = -1;
		}
	} else if (rc == 0) {
		st.st_nlink = 1;
		rc = put_file(a, name, fd, &st, ++a->inode);
	}
	if (fd >= 0)
		(void)close(fd);
	free(name);
	return rc;
}

static int put_mounts(struct archive *a, const struct bundle *b)
{
	const json_t *v;
	size_t i;
	int rc = 0;

	json_array_foreach(bundle_get(b, "mounts"), i, v)
	{
		const char *type = json_string_value(json_object_get(v, "type"));

		if ((type && strcmp(type, "bind") == 0) || has_option(v, "bind") ||
		    has_option(v, "rbind"))
			rc = put_bound(a, b, v);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- the whole --- */

static int put_agent(struct archive *a, const char *agent)
{
	struct stat st;
	int fd = open(agent, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = err_sys(a->e, errno, "agent \"%s\"", agent);
	else {
		st.st_mode = S_IFREG | 0755;
		st.st_uid = st.st_gid = 0;
		st.st_nlink = 1;
		rc = put_file(a, "init", fd, &st, ++a->inode);
	}
	if (fd >= 0)
		(void)close(fd);
	if (rc == 0)
		rc = put_node(a, "dev", S_IFDIR | 0755, 0);
	return rc == 0 ? put_node(a, "dev/console", S_IFCHR | 0600, makedev(5, 1)) : rc;
}

/* Drivers that the kernel has in files. */
static int put_modules(struct archive *a, const char *folder)
{
	struct stat st = {.st_mode = S_IFDIR | 0755, .st_nlink = 1};
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(a->e, errno, "modules \"%s\"", folder);
	rc = put_head(a, "modules", &st, ++a->inode, 0);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return put_tree(a, fd, "modules", DEPTH_MAX - 1);
}

static int put_root(struct archive *a, const struct bundle *b)
{
	int fd = open(b->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = err_sys(a->e, errno, "root.path \"%s\"", b->rootfs);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	st.st_nlink = 1;
	rc = put_head(a, ROOT, &st, ++a->inode, 0);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return put_tree(a, fd, ROOT, 0);
}

int initrd_make(const struct bundle *b, const char *agent, const char *modules, uint64_t *bytes,
		struct err *e)
{
	struct archive a = {.e = e};
	struct stat end = {.st_nlink = 1};
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	int rc = 0;

	a.f = copy >= 0 ? fdopen(copy, "w") : NULL;
	if (!a.f)
		rc = err_sys(e, errno, "write the initramfs");
	if (rc == 0)
		rc = put_agent(&a, agent);
	if (rc == 0)
		rc = put_modules(&a, modules);
	if (rc == 0)
		rc = put_root(&a, b);
	if (rc == 0)
		rc = put_mounts(&a, b);
	if (rc == 0)
		rc = put_head(&a, "TRAILER!!!", &end, 0, 0);
	if (a.f && fclose(a.f) != 0 && rc == 0)
		rc = err_sys(e, errno, "write the initramfs");
	tdestroy(a.links, free);
	*bytes = a.bytes;
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : -EIO;
}
