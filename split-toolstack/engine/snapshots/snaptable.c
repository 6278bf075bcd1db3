/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of snapshots, and cleaning the folder at the start. */
#include "split-toolstack/engine/snapshots/snaptable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/snapshots/namefile.h"

#define DIGEST_CHARS 64u

struct snapshot *snaptable_find(const struct snapshot_table *t, const char *name)
{
	struct snapshot *x;

	for (x = t->first; x; x = x->next)
		if (strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

static int by_name(const struct snapshot *a, const struct snapshot *b)
{
	return strcmp(a->name, b->name);
}

void snaptable_add(struct snapshot_table *t, struct snapshot *x)
{
	DL_INSERT_INORDER(t->first, x, by_name);
}

void snaptable_drop(struct snapshot_table *t, struct snapshot *x)
{
	DL_DELETE(t->first, x);
	free(x);
}

bool snaptable_uses(const struct snapshot_table *t, const char *digest, const struct snapshot *but)
{
	const struct snapshot *x;

	for (x = t->first; x; x = x->next)
		if (x != but && strcmp(x->digest, digest) == 0)
			return true;
	return false;
}

/* One that stays. */
static bool has_other_name(const struct snapshot_table *t, const struct snapshot *x)
{
	const struct snapshot *o = t->first;

	while (o && (o == x || o->leaving || strcmp(o->digest, x->digest) != 0))
		o = o->next;
	return o != NULL;
}

void snaptable_children(const struct snapshot_table *t, const struct snapshot *x, char *to,
			size_t room)
{
	const struct snapshot *child;
	size_t n = 0;

	to[0] = '\0';
	if (has_other_name(t, x))
		return;
	for (child = t->first; child; child = child->next) {
		int more;

		if (child->leaving || strcmp(child->parent, x->digest) != 0)
			continue;
		more = snprintf(to + n, room - n, "%s%s", n ? ", " : "", child->name);
		if (more < 0 || (size_t)more >= room - n) {
			(void)snprintf(to + room - 4, 4, "...");
			return;
		}
		n += (size_t)more;
	}
}

int64_t snaptable_bytes(const struct snapshot_table *t)
{
	const struct snapshot *x;
	uint64_t bytes = 0;

	for (x = t->first; x; x = x->next) {
		const struct snapshot *first = t->first;

		while (strcmp(first->digest, x->digest) != 0)
			first = first->next;
		bytes += first == x ? x->bytes : 0;
	}
	return (int64_t)bytes;
}

void snaptable_free(struct snapshot_table *t)
{
	while (t->first)
		snaptable_drop(t, t->first);
}

/* --- the folder --- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name);
	size_t m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static DIR *open_folder(int dirfd)
{
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0)
		(void)close(fd);
	return dir;
}

static bool has_file(int dirfd, const struct snapshot *x)
{
	char file[FILE_NAME];
	struct stat st;

	(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_FILE, x->digest);
	return fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* chaosd lacked a resource: the name may be read at the next start. */
static bool is_passing(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -EINTR;
}

static int read_name(int dirfd, const char *file, struct snapshot *x, struct err *e)
{
	if (strlen(file) - strlen(SNAPSHOT_NAME) > IMAGE_NAME_MAX)
		return err_set(e, EPROTO, "the name is too long");
	return namefile_read(dirfd, file, x, e);
}

static int load_one(struct snapshot_table *t, int dirfd, const char *file, struct err *e)
{
	struct snapshot *x = malloc(sizeof(*x));
	struct err why = {0};
	int rc;

	if (!x)
		return err_set(e, ENOMEM, "out of memory");
	rc = read_name(dirfd, file, x, &why);
	if (is_passing(rc)) {
		free(x);
		return err_set(e, -rc, "read the snapshots: %s", err_msg(&why));
	}
	if (rc < 0) {
		log_line(LOG_WARN, "op=snapshots file=%s: %s: ignored", file, err_msg(&why));
		t->damaged = true;
		free(x);
	} else if (!has_file(dirfd, x)) {
		log_line(LOG_WARN,
			 "op=snapshots snapshot=%s: removed, because its file does not exist any "
			 "more",
			 x->name);
		(void)unlinkat(dirfd, file, 0);
		free(x);
	} else {
		snaptable_add(t, x);
	}
	return 0;
}

static void drop_orphans(const struct snapshot_table *t, int dirfd)
{
	DIR *dir = open_folder(dirfd);
	const struct dirent *d;
	char digest[DIGEST_CHARS + 1] = "";
	int rc = dir ? 0 : -errno;

	while (dir && (d = dir_next(dir, &rc)) != NULL) {
		if (strlen(d->d_name) != DIGEST_CHARS + strlen(SNAPSHOT_FILE) ||
		    strspn(d->d_name, "0123456789abcdef") != DIGEST_CHARS ||
		    !ends_with(d->d_name, SNAPSHOT_FILE))
			continue;
		memcpy(digest, d->d_name, DIGEST_CHARS);
		if (!snaptable_uses(t, digest, NULL) && unlinkat(dirfd, d->d_name, 0) == 0)
			log_line(LOG_INFO,
				 "op=snapshots file=%s: removed, because no name refers to it",
				 d->d_name);
	}
	if (rc < 0) /* what is left goes at the next start */
		log_line(LOG_WARN, "op=snapshots: files without a name are left: %s",
			 strerror(-rc));
	if (dir)
		(void)closedir(dir);
}

int snaptable_load(struct snapshot_table *t, int dirfd, struct err *e)
{
	DIR *dir = open_folder(dirfd);
	const struct dirent *d = NULL;
	int rc = 0;

	if (!dir)
		return err_sys(e, errno, "read the folder of snapshots");
	while (rc == 0 && (d = dir_next(dir, &rc)) != NULL)
		if (ends_with(d->d_name, SNAPSHOT_NAME))
			rc = load_one(t, dirfd, d->d_name, e);
	(void)closedir(dir);
	if (rc < 0 && !d)
		(void)err_sys(e, -rc, "read the folder of snapshots");
	if (rc == 0 && t->damaged)
		log_line(LOG_WARN, "op=snapshots: files without a name are kept while the file of "
				   "a name is damaged");
	else if (rc == 0)
		drop_orphans(t, dirfd);
	return rc;
}
