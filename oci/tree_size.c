/* SPDX-License-Identifier: BSD-3-Clause */
/* How large a folder is. A container's root is what others made: any names, depth and sizes. */
#include "oci/tree_size.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/dirs.h"

#define DEPTH_MAX 512
#define BLOCK	  4096u
#define INODE	  128u /* of an image, with the entry of its folder besides the name */

/* What overlayfs or the kernel would see in a layer, and an initramfs cannot have. */
static int has_attributes(int at, const char *name)
{
	static const char *const those[] = {"trusted.overlay.metacopy", "trusted.overlay.redirect",
					    "security.capability"};
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int found = 0;

	if (fd < 0)
		return 1; /* it was a file or folder */
	for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		found |= fgetxattr(fd, those[i], NULL, 0) >= 0;
	(void)close(fd);
	return found;
}

static void hash_entry(const struct tree_size *t, const char *name, const struct stat *st)
{
	uint64_t what[] = {st->st_ino,
			   st->st_mode,
			   st->st_uid,
			   st->st_gid,
			   st->st_rdev,
			   (uint64_t)st->st_size,
			   (uint64_t)st->st_mtim.tv_sec,
			   (uint64_t)st->st_mtim.tv_nsec,
			   (uint64_t)st->st_ctim.tv_sec,
			   (uint64_t)st->st_ctim.tv_nsec};

	if (!t->hash)
		return;
	(void)XXH3_128bits_update(t->hash, name, strlen(name) + 1);
	(void)XXH3_128bits_update(t->hash, what, sizeof(what));
}

static int walk(struct tree_size *t, int dir, int depth, struct err *e);

static int count_entry(struct tree_size *t, int at, const char *name, int depth, struct err *e)
{
	struct stat st;
	int fd;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "read \"%.100s\" of the root", name);
	hash_entry(t, name, &st);
	t->entries++;
	t->bytes += INODE + strlen(name);
	if (st.st_size > 0 && !S_ISDIR(st.st_mode)) {
		uint64_t size = ((uint64_t)st.st_size + BLOCK - 1) / BLOCK * BLOCK;

		/* one of several names has its part of the file */
		t->bytes += size / (st.st_nlink ? st.st_nlink : 1);
	}
	if (t->bytes > t->bytes_max || t->entries > t->entries_max)
		return -EFBIG;
	if (t->plain && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && has_attributes(at, name))
		return -EFBIG;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, errno, "read \"%.100s\" of the root", name);
	return walk(t, fd, depth + 1, e);
}

/* Takes the descriptor. */
static int walk(struct tree_size *t, int dir, int depth, struct err *e)
{
	DIR *d = fdopendir(dir);
	const struct dirent *entry = NULL;
	int rc = 0;

	if (!d) {
		rc = err_sys(e, errno, "read a folder of the root");
		(void)close(dir);
		return rc;
	}
	if (depth > DEPTH_MAX) {
		(void)closedir(d);
		return err_set(e, EINVAL, "the root has more than %d folders in each other",
			       DEPTH_MAX);
	}
	t->bytes += BLOCK;
	while (rc == 0 && (entry = dir_next(d, &rc)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = count_entry(t, dirfd(d), entry->d_name, depth, e);
	if (rc < 0 && !entry)
		(void)err_sys(e, -rc, "read a folder of the root");
	if (t->hash)
		(void)XXH3_128bits_update(t->hash, "", 1); /* the folder's end */
	(void)closedir(d);
	return rc;
}

int tree_size(struct tree_size *t, int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	t->bytes = t->entries = 0;
	return fd < 0 ? err_sys(e, errno, "read a folder of the root") : walk(t, fd, 0, e);
}
