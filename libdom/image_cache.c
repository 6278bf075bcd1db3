/* SPDX-License-Identifier: BSD-3-Clause */
/* Unpacked kernels, kept: one file each, named by the SHA-256 of the packed file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gcrypt.h>

#include "base/dirs.h"
#include "base/hex.h"
#include "libdom/image.h"
#include "libdom/unpack.h"

#define PREFIX	   "kernel-" /* and 64 hex digits */
#define UNFINISHED "unpack-"

bool image_is_packed(const uint8_t *file, size_t bytes)
{
	return bzimage_is(file, bytes) || (bytes >= 2 && file[0] == 0x1f && file[1] == 0x8b);
}

void image_digest_of(const void *data, size_t bytes, char hex[65])
{
	uint8_t digest[32];

	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		(void)gcry_check_version(NULL);
		(void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
		(void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	}
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, data, bytes);
	for (size_t i = 0; i < sizeof(digest); i++)
		hex = hex_put(hex, digest[i]);
	*hex = '\0';
}

int image_digest(int fd, char hex[65], struct err *e)
{
	uint8_t *file = NULL;
	size_t bytes = 0;
	int rc = image_read_fd(fd, &file, &bytes, e);

	if (rc == 0)
		image_digest_of(file, bytes, hex);
	free(file);
	return rc;
}

static int cache_get(const char *path, uint8_t **out, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &st) == 0 && st.st_uid == geteuid() ? image_read_fd(fd, out, bytes, NULL)
							   : -EPERM;
	if (rc == 0)
		(void)futimens(fd, NULL); /* used last */
	(void)close(fd);
	return rc;
}

/* --- what is too much goes --- */

struct entry {
	struct timespec used;
	char name[sizeof(PREFIX) + 64];
};

/* Of all, the one that was used longest ago; *n and *bytes of all. -ENOENT: none; another error:
 * the folder cannot be read. */
static int oldest(int dirfd, struct entry *out, uint32_t *n, uint64_t *bytes)
{
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = d ? 0 : -errno;

	*n = 0;
	*bytes = 0;
	while (d && (entry = dir_next(d, &rc)) != NULL) {
		struct stat st;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    strlen(entry->d_name) >= sizeof(out->name) ||
		    fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		*bytes += (uint64_t)st.st_size;
		if ((*n)++ == 0 || st.st_mtim.tv_sec < out->used.tv_sec ||
		    (st.st_mtim.tv_sec == out->used.tv_sec &&
		     st.st_mtim.tv_nsec < out->used.tv_nsec)) {
			out->used = st.st_mtim;
			(void)snprintf(out->name, sizeof(out->name), "%s", entry->d_name);
		}
	}
	if (d)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : *n ? 0 : -ENOENT;
}

/* Removes the kernels that were used longest ago, until both limits are kept. */
static void prune(int dirfd)
{
	struct entry e;
	uint64_t bytes;
	uint32_t n;

	while (oldest(dirfd, &e, &n, &bytes) == 0 &&
	       (n > IMAGE_CACHE_FILES || bytes > IMAGE_CACHE_BYTES))
		if (unlinkat(dirfd, e.name, 0) < 0)
			break;
}

void image_cache_tidy(const char *cache_dir)
{
	int dirfd = open(cache_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int fd = dirfd >= 0 ? openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = 0;

	/* what is not read here stays until the next time */
	while (d && (entry = dir_next(d, &rc)) != NULL) {
		const char *name = entry->d_name;

		if (strncmp(name, UNFINISHED, strlen(UNFINISHED)) == 0 ||
		    (strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
		     strlen(name) != strlen(PREFIX) + 64))
			(void)unlinkat(dirfd, name, 0);
	}
	if (d)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
	if (dirfd >= 0)
		prune(dirfd);
	if (dirfd >= 0)
		(void)close(dirfd);
}

/* --- unpacking --- */

/* The file for the child: in the cache, if it can be written there. */
static int open_result(const char *cache_dir, struct unpacked *u, struct err *e)
{
	int fd = -1;

	if (cache_dir && snprintf(u->temp, sizeof(u->temp), "%s/" UNFINISHED "XXXXXX", cache_dir) <
				 (int)sizeof(u->temp))
		fd = mkostemp(u->temp, O_CLOEXEC);
	if (fd < 0) {
		u->temp[0] = '\0';
		fd = memfd_create("unpacked", MFD_CLOEXEC);
	}
	return fd < 0 ? err_sys(e, errno, "make a file for the unpacked kernel") : fd;
}

int image_unpack(uint8_t **file, size_t *bytes, const char *cache_dir, struct unpacked *u,
		 struct err *e)
{
	uint8_t *kernel = NULL;
	size_t len = 0;
	struct packed p;
	char hex[65];
	int fd;
	int rc = packed_find(*file, *bytes, &p, e);

	*u = (struct unpacked){.temp = ""};
	if (rc < 0)
		return rc;
	if (cache_dir) {
		image_digest_of(*file, *bytes, hex);
		if (snprintf(u->path, sizeof(u->path), "%s/" PREFIX "%s", cache_dir, hex) >=
		    (int)sizeof(u->path))
			cache_dir = NULL;
	}
	if (!cache_dir || cache_get(u->path, &kernel, &len) < 0) {
		fd = open_result(cache_dir, u, e);
		if (fd < 0)
			return fd;
		rc = confined_unpack(*file, &p, fd, e);
		if (rc == 0)
			rc = image_read_fd(fd, &kernel, &len, e);
		(void)close(fd);
	}
	if (rc < 0) {
		image_unpacked(u, false);
		return rc;
	}
	free(*file);
	*file = kernel;
	*bytes = len;
	return 0;
}

/* Best effort: if the cache cannot be written, the next create takes longer. */
void image_unpacked(struct unpacked *u, bool keep)
{
	struct stat st;
	char *slash;
	int dirfd;

	if (u->temp[0] == '\0')
		return;
	if (!keep || stat(u->temp, &st) < 0 || (uint64_t)st.st_size > IMAGE_CACHE_BYTES ||
	    rename(u->temp, u->path) < 0) {
		(void)unlink(u->temp);
		return;
	}
	slash = strrchr(u->path, '/');
	*slash = '\0';
	dirfd = open(u->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dirfd >= 0) {
		prune(dirfd);
		(void)close(dirfd);
	}
}
