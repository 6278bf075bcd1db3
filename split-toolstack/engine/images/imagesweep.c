/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleans the image store: removes files without a name, and names without a file. */
#include "split-toolstack/engine/images/imagesweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/images/imageindex.h"
#include "split-toolstack/engine/images/imagestore.h"

/* Everything in the index: digests in order, and names whose files do not exist. */
struct census {
	int dirfd;
	char (*digest)[65];
	char (*lost)[IMAGE_NAME_MAX + 1];
	uint32_t n, nlost;
	bool failed; /* out of memory */
};

static bool has_file(int dirfd, const char *digest)
{
	struct stat st;

	return fstatat(dirfd, digest, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Room for one more; false: out of memory. */
static bool grow(void *at, uint32_t n, size_t size)
{
	void *old;
	void *more;

	memcpy(&old, at, sizeof(old));
	more = realloc(old, (n + 1) * size);
	if (more)
		memcpy(at, &more, sizeof(more));
	/* cppcheck-suppress memleak ; *at has it */
	return more != NULL;
}

static void add_to_census(struct census *c, const char *name, const struct image_record *r)
{
	c->failed = c->failed || !grow(&c->digest, c->n, sizeof(*c->digest)) ||
		    !grow(&c->lost, c->nlost, sizeof(*c->lost));
	if (c->failed)
		return;
	memcpy(c->digest[c->n++], r->digest, sizeof(r->digest));
	if (!has_file(c->dirfd, r->digest))
		(void)snprintf(c->lost[c->nlost++], sizeof(*c->lost), "%s", name);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_orphan(const struct census *c, const char *name)
{
	if (strncmp(name, IMAGE_UNFINISHED, strlen(IMAGE_UNFINISHED)) == 0)
		return true;
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64 &&
	       (c->n == 0 || !bsearch(name, c->digest, c->n, sizeof(*c->digest), by_text));
}

static void drop_orphans(const struct census *c)
{
	int dirfd = c->dirfd;
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	int rc = dir ? 0 : -errno;

	if (!dir && fd >= 0)
		(void)close(fd);
	while (dir && (d = dir_next(dir, &rc)) != NULL)
		if (is_orphan(c, d->d_name) && unlinkat(dirfd, d->d_name, 0) == 0)
			log_line(LOG_INFO,
				 "op=image-store file=%s: removed, because no name refers to it",
				 d->d_name);
	if (rc < 0) /* what is left goes at the next start */
		log_line(LOG_WARN, "op=image-store: files without a name are left: %s",
			 strerror(-rc));
	if (dir)
		(void)closedir(dir);
}

void imagesweep(struct imageindex *x, int dirfd)
{
	struct census c = {.dirfd = dirfd};

	for (uint32_t i = 0; i < imageindex_count(x); i++) {
		const char *name;
		const struct image_record *r = imageindex_at(x, i, &name);

		add_to_census(&c, name, r);
	}
	if (c.n)
		qsort(c.digest, c.n, sizeof(*c.digest), by_text);
	if (!c.failed)
		drop_orphans(&c);
	for (uint32_t i = 0; i < c.nlost && !c.failed; i++) {
		if (imageindex_commit(x, c.lost[i], NULL, NULL) < 0)
			continue;
		imageindex_set(x, c.lost[i], NULL);
		log_line(LOG_WARN,
			 "op=image-store image=%s: removed, because its file does not exist any "
			 "more",
			 c.lost[i]);
	}
	free(c.digest);
	free(c.lost);
}
