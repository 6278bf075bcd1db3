/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in a VM's initramfs: the agent, modules, the container's root or what lies over its
 * image, and what is bound into it. */
#include "oci/initrd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "oci/archive.h"
#include "oci/pod.h"

#define ROOT "root"

/* --- what is bound into the root --- */

/* Where a folder of the root really is: its links are followed inside the root. A name in the
 * archive, the caller's; NULL: there is no such folder. */
static char *find_folder(const struct bundle *b, const char *path, struct stat *st)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int dir = open(b->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	size_t len = strlen(b->rootfs);
	char *name = NULL;
	char link[64];
	char to[4096];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = fd < 0 || fstat(fd, st) < 0 ? -1 : readlink(link, to, sizeof(to) - 1);
	if (n >= (ssize_t)len) {
		to[n] = '\0';
		if (strncmp(to, b->rootfs, len) == 0 && (to[len] == '/' || !to[len]) &&
		    asprintf(&name, ROOT "%s", to + len) < 0)
			name = NULL;
	}
	if (fd >= 0)
		(void)close(fd);
	if (dir >= 0)
		(void)close(dir);
	return name;
}

/* A folder that the root has, with what leads to it: whatever else is packed of the root. */
static int put_found(struct archive *a, const struct bundle *b, char *name)
{
	int rc = 0;

	for (char *p = name + sizeof(ROOT) - 1; rc == 0 && *p;) {
		struct stat st;
		char *real;
		char old;

		p += strcspn(p + 1, "/") + 1;
		old = *p;
		*p = '\0';
		real = find_folder(b, name + sizeof(ROOT), &st);
		st.st_nlink = 1;
		if (real)
			rc = archive_head(a, name, &st, ++a->inode, 0);
		free(real);
		*p = old;
	}
	return rc;
}

/* The folders of a path in the root, which need not be there. *name: the last one, the caller's. */
static int put_folders(struct archive *a, const struct bundle *b, const char *path, char **name)
{
	size_t at = 0;
	int rc = 0;

	*name = strdup(ROOT);
	while (*name && rc == 0 && path[at]) {
		size_t start = at + strspn(path + at, "/");
		size_t len = strcspn(path + start, "/");
		char *whole = len ? strndup(path, start + len) : NULL;
		char *next = NULL;
		struct stat st;

		if (len == 0)
			break;
		at = start + len;
		next = whole ? find_folder(b, whole + 1, &st) : NULL;
		if (next)
			rc = put_found(a, b, next);
		else if (asprintf(&next, "%s/%.*s", *name, (int)len, path + start) < 0)
			next = NULL;
		else
			rc = archive_node(a, next, S_IFDIR | 0755, 0);
		free(whole);
		free(*name);
		*name = next;
	}
	return *name ? rc : err_set(a->e, ENOMEM, "out of memory");
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

static int put_bound_file(struct archive *a, const struct bundle *b, const char *to, int fd,
			  const struct stat *st)
{
	const char *leaf = strrchr(to, '/');
	char *folders = strndup(to, (size_t)(leaf - to));
	char *parent = NULL;
	char *name = NULL;
	int rc = folders ? put_folders(a, b, folders, &parent)
			 : err_set(a->e, ENOMEM, "out of memory");

	if (rc == 0 && asprintf(&name, "%s%s", parent, leaf) < 0) {
		name = NULL;
		rc = err_set(a->e, ENOMEM, "out of memory");
	}
	if (rc == 0)
		rc = archive_file(a, name, fd, st, ++a->inode);
	free(name);
	free(parent);
	free(folders);
	return rc;
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
	if (strcmp(to, "/dev/shm") == 0 || (pod_role(b) == POD_MEMBER && pod_volume(mount)))
		return 0; /* the VM has its own */
	if (S_ISDIR(st.st_mode) && !has_option(mount, "ro"))
		return err_set(a->e, ENOTSUP,
			       "config.json: mount \"%s\": a writable folder is not shared with a "
			       "VM; make it read-only (option ro)",
			       to);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(a->e, errno, "mount \"%s\"", source);
	st.st_nlink = 1;
	if (S_ISDIR(st.st_mode)) {
		rc = put_folders(a, b, to, &name);
		if (rc == 0) {
			rc = archive_tree(a, fd, name, 0);
			fd = -1;
		}
	} else {
		rc = put_bound_file(a, b, to, fd, &st);
	}
	if (fd >= 0)
		(void)close(fd);
	free(name);
	return rc;
}

/* Engines write these themselves, some of them in hooks. */
static bool is_engines(const json_t *mount)
{
	const char *to = json_string_value(json_object_get(mount, "destination"));

	return to && (strcmp(to, "/etc/resolv.conf") == 0 || strcmp(to, "/etc/hosts") == 0 ||
		      strcmp(to, "/etc/hostname") == 0);
}

static int put_mounts(struct archive *a, const struct bundle *b, bool engines_alone)
{
	const json_t *v;
	size_t i;
	int rc = 0;

	json_array_foreach(bundle_get(b, "mounts"), i, v)
	{
		const char *type = json_string_value(json_object_get(v, "type"));

		if (engines_alone && !is_engines(v))
			continue;
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
		rc = archive_file(a, "init", fd, &st, ++a->inode);
	}
	if (fd >= 0)
		(void)close(fd);
	if (rc == 0)
		rc = archive_node(a, "dev", S_IFDIR | 0755, 0);
	return rc == 0 ? archive_node(a, "dev/console", S_IFCHR | 0600, makedev(5, 1)) : rc;
}

/* Drivers that the kernel has in files. */
static int put_modules(struct archive *a, const char *folder)
{
	struct stat st = {.st_mode = S_IFDIR | 0755, .st_nlink = 1};
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(a->e, errno, "modules \"%s\"", folder);
	rc = archive_head(a, "modules", &st, ++a->inode, 0);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return archive_tree(a, fd, "modules", ARCHIVE_DEPTH - 1);
}

static int put_folder(struct archive *a, const char *name, int fd, const struct stat *of)
{
	struct stat st = *of;
	int rc;

	st.st_nlink = 1;
	rc = archive_head(a, name, &st, ++a->inode, 0);
	if (rc == 0 && fd >= 0)
		return archive_tree(a, fd, name, 0);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* What lies over the root's image, and the mark by which the agent sees that there is one. */
static int put_layers(struct archive *a, const struct layers *l)
{
	char *names = NULL;
	size_t len;
	int rc = archive_node(a, "image", S_IFDIR | 0755, 0);

	a->opaque = open_memstream(&names, &len);
	if (!a->opaque)
		return err_set(a->e, ENOMEM, "out of memory");
	for (uint32_t i = 0; rc == 0 && i < l->n; i++) {
		int fd = openat(l->over[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char name[32];
		struct stat st;

		(void)snprintf(name, sizeof(name), "layer%u", i);
		if (fd < 0 || fstat(fd, &st) < 0) {
			rc = err_sys(a->e, errno, "read a layer of the image");
			if (fd >= 0)
				(void)close(fd);
		} else {
			rc = put_folder(a, name, fd, &st);
		}
	}
	if (fclose(a->opaque) != 0 && rc == 0)
		rc = err_set(a->e, ENOMEM, "out of memory");
	a->opaque = NULL;
	if (rc == 0 && len)
		rc = archive_text(a, "opaque", names, len);
	free(names);
	return rc;
}

static int put_root(struct archive *a, const struct bundle *b, const struct layers *l)
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
	if (!l)
		return put_folder(a, ROOT, fd, &st);
	(void)close(fd);
	rc = put_folder(a, ROOT, -1, &st);
	return rc < 0 ? rc : put_layers(a, l);
}

/* What is put into it, or NULL and below zero: not that. */
struct contents {
	const struct bundle *b;
	const char *agent, *modules;
	const struct layers *l;
	int part; /* an archive that is the rest of it */
};

static int put_contents(struct archive *a, const struct contents *c)
{
	int rc = 0;

	if (c->agent)
		rc = put_agent(a, c->agent);
	if (rc == 0 && c->modules)
		rc = put_modules(a, c->modules);
	if (rc == 0 && c->b)
		rc = put_root(a, c->b, c->l);
	if (rc == 0 && c->b)
		rc = put_mounts(a, c->b, false);
	return rc;
}

/* Archives follow each other; Linux unpacks all of them. */
static int append(int to, int part, struct err *e)
{
	off_t from = 0;
	ssize_t n;

	if (lseek(to, 0, SEEK_END) < 0)
		return err_sys(e, errno, "write the initramfs");
	while ((n = sendfile(to, part, &from, 1 << 20)) > 0)
		;
	return n < 0 ? err_sys(e, errno, "write the initramfs") : 0;
}

static int make(const struct contents *c, uint64_t *bytes, struct err *e)
{
	struct archive a = {.e = e};
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	int rc = 0;

	a.f = copy >= 0 ? fdopen(copy, "w") : NULL;
	if (!a.f)
		rc = err_sys(e, errno, "write the initramfs");
	if (rc == 0)
		rc = put_contents(&a, c);
	rc = archive_end(&a, rc);
	if (a.f && fclose(a.f) != 0 && rc == 0)
		rc = err_sys(e, errno, "write the initramfs");
	if (rc == 0 && c->part >= 0)
		rc = append(fd, c->part, e);
	*bytes = a.bytes;
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : -EIO;
}

int initrd_make(const struct bundle *b, const char *agent, const char *modules,
		const struct layers *l, uint64_t *bytes, struct err *e)
{
	const struct contents c = {.b = b, .agent = agent, .modules = modules, .l = l, .part = -1};

	return make(&c, bytes, e);
}

int initrd_make_part(const struct bundle *b, const struct layers *l, uint64_t *bytes, struct err *e)
{
	const struct contents c = {.b = b, .l = l, .part = -1};

	return make(&c, bytes, e);
}

int initrd_join(const char *agent, const char *modules, int part, struct err *e)
{
	const struct contents c = {.agent = agent, .modules = modules, .part = part};
	uint64_t bytes;

	return make(&c, &bytes, e);
}

int initrd_renew(const struct bundle *b, int fd, struct err *e)
{
	char last[ARCHIVE_TRAILER];
	struct archive a = {.e = e};
	off_t end = lseek(fd, 0, SEEK_END) - ARCHIVE_TRAILER;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int rc = 0;

	if (end < 0 || pread(fd, last, sizeof(last), end) != (ssize_t)sizeof(last) ||
	    strcmp(last + ARCHIVE_HEAD, ARCHIVE_LAST) != 0 || lseek(fd, end, SEEK_SET) != end)
		rc = err_set(e, EIO, "the initramfs has no end");
	a.f = copy >= 0 ? fdopen(copy, "w") : NULL;
	if (rc == 0 && !a.f)
		rc = err_sys(e, errno, "write the initramfs");
	if (rc == 0)
		rc = put_mounts(&a, b, true);
	rc = archive_end(&a, rc);
	if (a.f && fclose(a.f) != 0 && rc == 0)
		rc = err_sys(e, errno, "write the initramfs");
	else if (!a.f && copy >= 0)
		(void)close(copy);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, errno, "write the initramfs");
	return rc;
}
