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

/* A digest is as good as random. */
static unsigned int bucket(const char *digest)
{
	unsigned int h = 0;

	for (int i = 0; i < 8 && digest[i]; i++)
		h = h * 33 + (unsigned char)digest[i];
	return h % SNAPTABLE_BUCKETS;
}

void snaptable_add(struct snapshot_table *t, struct snapshot *x)
{
	struct snapshot **head = &t->by_digest[bucket(x->digest)];

	DL_INSERT_INORDER(t->first, x, by_name);
	DL_INSERT_INORDER2(*head, x, by_name, digest_prev, digest_next);
}

void snaptable_drop(struct snapshot_table *t, struct snapshot *x)
{
	struct snapshot **head = &t->by_digest[bucket(x->digest)];
	struct snapshot_walk *w;

	DL_FOREACH(t->walks, w)
	if (w->at == x)
		w->at = x->next;
	DL_DELETE(t->first, x);
	DL_DELETE2(*head, x, digest_prev, digest_next);
	free(x);
}

struct snapshot *snaptable_digest(const struct snapshot_table *t, const char *digest,
				  const struct snapshot *after)
{
	struct snapshot *x = after ? after->digest_next : t->by_digest[bucket(digest)];

	while (x && strcmp(x->digest, digest) != 0)
		x = x->digest_next;
	return x;
}

bool snaptable_uses(const struct snapshot_table *t, const char *digest, const struct snapshot *but)
{
	const struct snapshot *x = snaptable_digest(t, digest, NULL);

	if (x && x == but)
		x = snaptable_digest(t, digest, x);
	return x != NULL;
}

/* One that stays. */
static bool has_other_name(const struct snapshot_table *t, const struct snapshot *x)
{
	const struct snapshot *o = snaptable_digest(t, x->digest, NULL);

	while (o && (o == x || o->leaving))
		o = snaptable_digest(t, x->digest, o);
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

	for (x = t->first; x; x = x->next)
		bytes += snaptable_digest(t, x->digest, NULL) == x ? x->bytes : 0;
	return (int64_t)bytes;
}

const struct snapshot *snapshots_walk_next(struct snapshot_walk *w)
{
	const struct snapshot *x;

	while (w->at && w->at->leaving)
		w->at = w->at->next;
	x = w->at;
	if (x)
		w->at = x->next;
	return x;
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

static int load_one(struct snapshot_table *t, int dirfd, const char *file, struct snapshot **found,
		    struct err *e)
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
		LL_PREPEND(*found, x);
	}
	return 0;
}

/* In the order of names, each at the end. */
static void add_all(struct snapshot_table *t, struct snapshot *found)
{
	struct snapshot *next;

	LL_SORT(found, by_name);
	for (struct snapshot *x = found; x; x = next) {
		struct snapshot **head = &t->by_digest[bucket(x->digest)];

		next = x->next;
		DL_APPEND(t->first, x);
		DL_APPEND2(*head, x, digest_prev, digest_next);
	}
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
	struct snapshot *found = NULL;
	int rc = 0;

	if (!dir)
		return err_sys(e, errno, "read the folder of snapshots");
	while (rc == 0 && (d = dir_next(dir, &rc)) != NULL)
		if (ends_with(d->d_name, SNAPSHOT_NAME))
			rc = load_one(t, dirfd, d->d_name, &found, e);
	(void)closedir(dir);
	add_all(t, found);
	if (rc < 0 && !d)
		(void)err_sys(e, -rc, "read the folder of snapshots");
	if (rc == 0 && t->damaged)
		log_line(LOG_WARN, "op=snapshots: files without a name are kept while the file of "
				   "a name is damaged");
	else if (rc == 0)
		drop_orphans(t, dirfd);
	return rc;
}
