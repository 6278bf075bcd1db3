/* SPDX-License-Identifier: BSD-3-Clause */
/* Images that chaosd stores: files named by content, and an index of their names (imageindex.h). */
#include "split-toolstack/engine/images/imagestore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/imageindex.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/images/imagesweep.h"
#include "split-toolstack/engine/services/worker.h"

#define RECORD_VERSION 1u
#define COPY_STEP      (1u << 20)

struct imagestore {
	struct opener *opener;
	char cache_dir[512]; /* a copy, because a thread that hangs may outlive the caller's */
	int dirfd;
	struct imageindex *index;
	uint64_t quota;		      /* bytes; 0: none */
	uint64_t others;	      /* bytes of other files than images */
	uint32_t imports;	      /* under way, also as changes */
	struct image_change *changes; /* of the index: the first is under way */
};

/* A change of the index: a name is given to a file (an import), or removed. Changes are made one
 * after the other, on the threads for files, because each waits for the disk. When a change is
 * on the disk, the index in memory is changed and the request is answered. Files get their names
 * and are removed only inside changes, so that no file is removed to which another change gives
 * a name. */
struct image_change {
	struct worker_job job;
	struct image_change *next;
	struct imagestore *store;
	char name[IMAGE_NAME_MAX + 1];
	bool removes;
	int fd;		       /* import: of what is copied */
	uint64_t room;	       /* import: it may have so many bytes */
	uint64_t reserved;     /* of the quota, while it is the change under way */
	char copy[32];	       /* import: the name of the copy so far */
	struct image_record r; /* import */
	bool only;	       /* import: no other name has the content */
	char drop[65];	       /* the file that no name has afterwards; "": none */
	image_import_fn *imported;
	image_rm_fn *removed;
	void *arg;
	int rc;
	struct err err;
};

static int open_store(struct imagestore *s, const char *dir, struct err *e)
{
	int rc;

	s->dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (s->dirfd < 0)
		return err_sys(e, errno, "image store: %s", dir);
	/* Prevents two daemons with different run directories from using it. */
	if (flock(s->dirfd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, "image store: another chaosd uses %s", dir);
	rc = imageindex_open(dir, &s->index, e);
	if (rc == 0)
		imagesweep(s->index, s->dirfd);
	return rc;
}

int imagestore_open(const struct images_conf *conf, struct imagestore **out, struct err *e)
{
	struct imagestore *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->opener = conf->opener;
	s->quota = conf->quota;
	(void)snprintf(s->cache_dir, sizeof(s->cache_dir), "%s", conf->cache_dir);
	rc = open_store(s, conf->store_dir, e);
	if (rc < 0) {
		imagestore_close(s, true);
		return rc;
	}
	*out = s;
	return 0;
}

void imagestore_close(struct imagestore *s, bool ended)
{
	if (!s || (!ended && (s->imports || s->changes)))
		return; /* a thread that hangs uses it */
	imageindex_close(s->index);
	if (s->dirfd >= 0)
		(void)close(s->dirfd);
	free(s);
}

int imagestore_dir(const struct imagestore *s)
{
	return s->dirfd;
}

/* --- what there is --- */

static void to_info(const char *name, const struct image_record *r, struct stored_image *out)
{
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	memcpy(out->digest, r->digest, sizeof(out->digest));
	memcpy(out->guest_os, r->guest_os, sizeof(out->guest_os));
	out->pv = r->pv;
	out->pvh = r->pvh;
	out->noxs = r->noxs;
	out->linux_kernel = r->linux_kernel;
	out->bytes = r->bytes;
	out->min_kib = r->min_kib;
	out->imported_ns = r->imported_ns;
}

bool imagestore_next(const struct imagestore *s, const char *after, struct stored_image *out)
{
	uint32_t i = imageindex_after(s->index, after);
	const struct image_record *r;
	const char *name;

	if (i >= imageindex_count(s->index))
		return false;
	r = imageindex_at(s->index, i, &name);
	to_info(name, r, out);
	return true;
}

static int no_image(const char *name, struct err *e)
{
	return err_set(e, ENOENT, "no image \"%s\"; \"chaos image list\" shows what there is",
		       name);
}

int imagestore_digest(const struct imagestore *s, const char *name, char digest[65], struct err *e)
{
	const struct image_record *r = imageindex_find(s->index, name);

	if (!r || r->version != RECORD_VERSION)
		return no_image(name, e);
	memcpy(digest, r->digest, sizeof(r->digest));
	return 0;
}

/* --- room --- */

void imagestore_set_quota(struct imagestore *s, uint64_t bytes)
{
	__atomic_store_n(&s->quota, bytes, __ATOMIC_RELAXED);
}

void imagestore_count_others(struct imagestore *s, int64_t bytes)
{
	s->others += (uint64_t)bytes;
}

uint64_t imagestore_room(const struct imagestore *s)
{
	uint64_t used = s->others;

	if (s->quota == 0)
		return UINT64_MAX;
	for (uint32_t i = 0; i < imageindex_count(s->index); i++) {
		const char *name;
		const struct image_record *r = imageindex_at(s->index, i, &name);

		used += r->bytes;
	}
	return used < s->quota ? s->quota - used : 0;
}

int imagestore_full(const struct imagestore *s, struct err *e)
{
	return err_set(e, ENOSPC,
		       "it does not fit into the %llu MiB of store_quota: remove images or "
		       "snapshots, or raise it",
		       (unsigned long long)__atomic_load_n(&s->quota, __ATOMIC_RELAXED) >> 20);
}

/* --- changes --- */

static void begin_change(struct imagestore *s);

static void change_work(struct worker_job *job, struct xen *x)
{
	struct image_change *c = (struct image_change *)job;
	int dir = c->store->dirfd;

	(void)x;
	if (!c->removes && c->r.bytes > c->room) { /* others have taken it meanwhile */
		c->rc = imagestore_full(c->store, &c->err);
		(void)unlinkat(dir, c->copy, 0);
		return;
	}
	/* The folder is changed before the index: no name may exist without its file. */
	if (!c->removes && (renameat(dir, c->copy, dir, c->r.digest) < 0 || fsync(dir) < 0)) {
		c->rc = err_sys(&c->err, errno, "image store: name the file %s", c->r.digest);
		(void)unlinkat(dir, c->copy, 0);
		return;
	}
	c->rc = imageindex_commit(c->store->index, c->name, c->removes ? NULL : &c->r, &c->err);
	if (c->rc < 0 && c->only)
		(void)unlinkat(dir, c->r.digest, 0);
	if (c->rc == 0 && c->drop[0])
		(void)unlinkat(dir, c->drop, 0);
}

static void change_ends(struct image_change *c)
{
	struct imagestore *s = c->store;
	struct stored_image out;

	if (c->removes) {
		if (c->removed)
			c->removed(c->arg, c->rc, &c->err);
	} else {
		s->imports--;
		to_info(c->name, &c->r, &out);
		c->imported(c->arg, c->rc, c->rc < 0 ? NULL : &out, &c->err);
		file_close(s->opener, FILE_READ, c->fd);
	}
	free(c);
}

static void change_done(struct worker_job *job)
{
	struct image_change *c = (struct image_change *)job;
	struct imagestore *s = c->store;

	s->changes = c->next;
	s->others -= c->reserved;
	if (c->rc == 0)
		imageindex_set(s->index, c->name, c->removes ? NULL : &c->r);
	change_ends(c);
	begin_change(s);
}

/* Begins the first waiting change. Nothing else changes the index until it is done. */
static void begin_change(struct imagestore *s)
{
	struct image_change *c = s->changes;
	const struct image_record *old = c ? imageindex_find(s->index, c->name) : NULL;

	if (!c)
		return;
	if (c->removes && !old) { /* by the one before */
		c->rc = no_image(c->name, &c->err);
		s->changes = c->next;
		change_ends(c);
		begin_change(s);
		return;
	}
	c->only = !c->removes && !imageindex_uses(s->index, c->r.digest, "");
	if (old && (c->removes || strcmp(old->digest, c->r.digest) != 0) &&
	    !imageindex_uses(s->index, old->digest, c->name))
		memcpy(c->drop, old->digest, sizeof(c->drop));
	/* Snapshots that are named meanwhile have less room. */
	c->room = imagestore_room(s);
	c->reserved = c->removes || c->r.bytes > c->room ? 0 : c->r.bytes;
	s->others += c->reserved;
	c->job = (struct worker_job){.work = change_work, .done = change_done};
	opener_push(s->opener, &c->job);
}

static void push_change(struct image_change *c)
{
	struct image_change **at = &c->store->changes;
	bool first = !*at;

	while (*at)
		at = &(*at)->next;
	*at = c;
	if (first)
		begin_change(c->store);
}

int imagestore_rm(struct imagestore *s, const char *name, image_rm_fn *fn, void *arg, struct err *e)
{
	struct image_change *c;

	if (!imageindex_find(s->index, name))
		return no_image(name, e);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->store = s;
	c->removes = true;
	c->removed = fn;
	c->arg = arg;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	push_change(c);
	return 0;
}

/* --- import --- */

bool image_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > IMAGE_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	return strspn(name,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:-") == n;
}

static int copy(const struct image_change *j, int to, struct err *e)
{
	int from = j->fd;
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "not a regular file");
	if ((uint64_t)st.st_size > IMAGE_MAX_BYTES)
		return err_set(e, E2BIG, "larger than %llu MiB", IMAGE_MAX_BYTES >> 20);
	if ((uint64_t)st.st_size > j->room)
		return imagestore_full(j->store, e);
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, COPY_STEP);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "copy it into the image store");
		if (n == 0)
			return err_set(e, EIO, "the file became shorter");
	}
	return fsync(to) < 0 ? err_sys(e, errno, "write it to the image store's disk") : 0;
}

/* Examines the copy, which cannot change any more. */
static int describe(struct image_change *j, int fd, struct err *e)
{
	const struct image_info *i;
	struct image *img = NULL;
	struct stat st;
	int rc = image_digest(fd, j->r.digest, e);

	if (rc == 0)
		rc = image_open(fd, j->name, j->store->cache_dir, &img, e);
	if (rc < 0)
		return rc;
	i = image_info(img);
	j->r.version = RECORD_VERSION;
	j->r.pv = i->pv;
	j->r.pvh = i->pvh;
	j->r.noxs = i->noxs;
	j->r.linux_kernel = i->builder == IMAGE_LINUX;
	j->r.bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	j->r.min_kib = image_min_kib(img, i->pv ? DOM_PV : DOM_PVH, 1, 0);
	j->r.imported_ns = clock_wall_ns();
	memcpy(j->r.guest_os, i->guest_os, sizeof(j->r.guest_os));
	image_put(img);
	return 0;
}

static void import_work(struct worker_job *job, struct xen *x)
{
	struct image_change *j = (struct image_change *)job;
	int dir = j->store->dirfd;
	int fd;

	(void)x;
	(void)snprintf(j->copy, sizeof(j->copy), IMAGE_UNFINISHED "%llx",
		       (unsigned long long)clock_ns());
	fd = openat(dir, j->copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		j->rc = err_sys(&j->err, errno, "image store: make a file");
		return;
	}
	j->rc = copy(j, fd, &j->err);
	if (j->rc < 0)
		j->rc = err_wrap(&j->err, j->rc, "image \"%s\"", j->name);
	else
		j->rc = describe(j, fd, &j->err);
	if (j->rc < 0)
		(void)unlinkat(dir, j->copy, 0);
	(void)close(fd);
}

static void import_done(struct worker_job *job)
{
	struct image_change *c = (struct image_change *)job;

	if (c->rc < 0)
		change_ends(c);
	else
		push_change(c);
}

int imagestore_import(struct imagestore *s, const char *name, int fd, image_import_fn *fn,
		      void *arg, struct err *e)
{
	struct image_change *c;

	if (!image_name_ok(name))
		return err_set(e, EINVAL,
			       "image name \"%s\": 1 to %u letters, digits and . _ + : -, not "
			       "beginning with . or -",
			       name, IMAGE_NAME_MAX);
	if (imageindex_reserve(s->index, s->imports + 1, e) < 0)
		return -ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	*c = (struct image_change){.job = {.work = import_work, .done = import_done},
				   .store = s,
				   .fd = fd,
				   .room = imagestore_room(s),
				   .imported = fn,
				   .arg = arg};
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	s->imports++;
	opener_push(s->opener, &c->job);
	return 0;
}
