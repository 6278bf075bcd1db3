/* SPDX-License-Identifier: BSD-3-Clause */
/* NAME.snap: the properties of a snapshot, with a checksum. */
#include "split-toolstack/engine/snapshots/namefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdom/save_stream.h"

#define MAGIC	"chaosSN\n"
#define VERSION 1u

struct content {
	char magic[8];
	uint32_t version;
	uint32_t type, vcpus, foreign;
	uint64_t mem_kib, pages, present, bytes, created_ns;
	char digest[72], parent[72], vm[136];
	uint64_t hash; /* XXH3, 64 bits: of what stands before */
};
_Static_assert(sizeof(struct content) == 352, "without padding");

static uint64_t hash_of(const struct content *c)
{
	return save_hash_of(c, offsetof(struct content, hash));
}

/* A file of that name is not replaced: it may be one that could not be read. */
static int take_name(int dirfd, const char *temp, const char *to)
{
	if (renameat2(dirfd, temp, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* the file system does not have this flag */
	return errno == EINVAL || errno == ENOSYS ? linkat(dirfd, temp, dirfd, to, 0) : -1;
}

int namefile_write(int dirfd, const char *temp, const struct snapshot *x, struct err *e)
{
	struct content c = {.magic = MAGIC,
			    .version = VERSION,
			    .type = x->type,
			    .vcpus = x->vcpus,
			    .foreign = x->foreign,
			    .mem_kib = x->mem_kib,
			    .pages = x->pages,
			    .present = x->present,
			    .bytes = x->bytes,
			    .created_ns = x->created_ns};
	char to[FILE_NAME];
	int rc = 0;
	int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "snapshot \"%s\"", x->name);
	memcpy(c.digest, x->digest, sizeof(x->digest));
	memcpy(c.parent, x->parent, sizeof(x->parent));
	memcpy(c.vm, x->vm, sizeof(x->vm));
	c.hash = hash_of(&c);
	(void)snprintf(to, sizeof(to), "%s" SNAPSHOT_NAME, x->name);
	errno = 0;
	if (write(fd, &c, sizeof(c)) != (ssize_t)sizeof(c) || fsync(fd) < 0)
		rc = err_sys(e, errno ? errno : ENOSPC, "snapshot \"%s\"", x->name);
	else if (take_name(dirfd, temp, to) < 0)
		rc = errno == EEXIST ? err_set(e, EEXIST,
					       "snapshot \"%s\": a file %s that could not be read "
					       "is in the "
					       "image store: remove it, or take another name",
					       x->name, to)
				     : err_sys(e, errno, "snapshot \"%s\"", x->name);
	(void)unlinkat(dirfd, temp, 0);
	(void)close(fd);
	return rc;
}

static bool is_digest(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool plausible(const struct content *c)
{
	return memcmp(c->magic, MAGIC, sizeof(c->magic)) == 0 && c->version == VERSION &&
	       c->hash == hash_of(c) && memchr(c->digest, '\0', sizeof(c->digest)) &&
	       memchr(c->parent, '\0', sizeof(c->parent)) && is_digest(c->digest) &&
	       (c->parent[0] == '\0' || is_digest(c->parent)) && c->type <= DOM_PVH &&
	       memchr(c->vm, '\0', VM_NAME_MAX + 1);
}

int namefile_read(int dirfd, const char *file, struct snapshot *x, struct err *e)
{
	size_t len = strlen(file) - strlen(SNAPSHOT_NAME);
	struct content c;
	ssize_t n;
	int rc;
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "%s", file);
	n = read(fd, &c, sizeof(c));
	rc = errno;
	(void)close(fd);
	if (n < 0)
		return err_sys(e, rc, "%s", file);
	if (n != (ssize_t)sizeof(c) || !plausible(&c))
		return err_set(e, EPROTO, "%s is damaged, or of an unknown version", file);
	*x = (struct snapshot){.type = (enum dom_type)c.type,
			       .vcpus = c.vcpus,
			       .foreign = c.foreign != 0,
			       .mem_kib = c.mem_kib,
			       .pages = c.pages,
			       .present = c.present,
			       .bytes = c.bytes,
			       .created_ns = c.created_ns};
	memcpy(x->name, file, len);
	memcpy(x->digest, c.digest, sizeof(x->digest));
	memcpy(x->parent, c.parent, sizeof(x->parent));
	memcpy(x->vm, c.vm, sizeof(x->vm));
	return 0;
}
