/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots that chaosd stores: names in memory, and changes of the folder one after the other. */
#include "split-toolstack/engine/snapshots/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "base/clock.h"
#include "libdom/save.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/imagesweep.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/snapshots/namefile.h"
#include "split-toolstack/engine/snapshots/snaptable.h"

struct snapshots {
	struct opener *opener;
	struct imagestore *store;
	int dirfd; /* the store's */
	struct snapshot_table table;
	struct snapshot_new *making;  /* utlist head: all, for their names */
	struct snapshot_new *changes; /* of the folder: the first is under way */
	uint64_t made;
	uint32_t jobs; /* on threads */
};

/* A snapshot that is being made, or a name that is being removed. Files get names, and names and
 * files are removed, only inside changes, which are made one after the other: so no file is
 * removed to which another change gives a name. */
struct snapshot_new {
	struct worker_job job;
	struct snapshot_new *prev, *next; /* of `making` */
	struct snapshot_new *after;	  /* the change behind this one */
	struct snapshots *s;
	struct snapshot *x; /* with its name; the table's when this is removed */
	bool removes;
	bool given_up;
	int fd;
	uint64_t room;	      /* it may have so many bytes */
	uint64_t reserved;    /* of the quota, counted there until it ends */
	char copy[40];	      /* the name of the file so far */
	char drop[FILE_NAME]; /* the file that no name has afterwards; "": none */
	snapshot_file_fn *opened;
	snapshot_named_fn *named;
	snapshot_rm_fn *removed;
	void *arg;
	int rc;
	struct err err;
};

int snapshots_open(struct opener *opener, struct imagestore *store, struct snapshots **out,
		   struct err *e)
{
	struct snapshots *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->opener = opener;
	s->store = store;
	s->dirfd = imagestore_dir(store);
	rc = snaptable_load(&s->table, s->dirfd, e);
	if (rc < 0) {
		snapshots_close(s, true);
		return rc;
	}
	imagestore_count_others(store, snaptable_bytes(&s->table));
	*out = s;
	return 0;
}

void snapshots_close(struct snapshots *s, bool ended)
{
	if (!s || (!ended && s->jobs))
		return; /* a thread that hangs uses it */
	snaptable_free(&s->table);
	free(s);
}

/* --- what there is --- */

const struct snapshot *snapshots_find(const struct snapshots *s, const char *name, struct err *e)
{
	struct snapshot *x = snaptable_find(&s->table, name);

	if (x && !x->leaving)
		return x;
	(void)err_set(e, ENOENT, "no snapshot \"%s\"; \"chaos snapshots\" shows what there is",
		      name);
	return NULL;
}

const struct snapshot *snapshots_by_digest(const struct snapshots *s, const char *digest)
{
	const struct snapshot *x = snaptable_digest(&s->table, digest, NULL);

	while (x && x->leaving)
		x = snaptable_digest(&s->table, digest, x);
	return x;
}

void snapshots_walk_begin(struct snapshots *s, struct snapshot_walk *w)
{
	w->at = s->table.first;
	DL_APPEND(s->table.walks, w);
}

void snapshots_walk_end(struct snapshots *s, struct snapshot_walk *w)
{
	DL_DELETE(s->table.walks, w);
}

int snapshots_file(const struct snapshots *s, const struct snapshot *x, int *fd, struct err *e)
{
	char file[FILE_NAME];

	(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_FILE, x->digest);
	*fd = openat(s->dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return *fd < 0 ? err_sys(e, errno, "snapshot \"%s\"", x->name) : 0;
}

/* --- room --- */

static uint64_t snapshots_room(const struct snapshots *s)
{
	return imagestore_room(s->store);
}

static int snapshots_full(const struct snapshots *s, const char *name, struct err *e)
{
	return err_wrap(e, imagestore_full(s->store, e), "snapshot \"%s\"", name);
}

/* A file with several names counts once. */
static void count(struct snapshots *s, const struct snapshot *x, bool more)
{
	if (!snaptable_uses(&s->table, x->digest, x))
		imagestore_count_others(s->store, more ? (int64_t)x->bytes : -(int64_t)x->bytes);
}

/* --- users --- */

void snapshot_hold(const struct snapshot *x, struct snapshot_hold *h, const char *holder)
{
	h->of = (struct snapshot *)(uintptr_t)x; /* the room's, which gives it out read only */
	(void)snprintf(h->holder, sizeof(h->holder), "%s", holder);
	DL_APPEND(h->of->holds, h);
}

void snapshot_release(struct snapshot_hold *h)
{
	if (h->of)
		DL_DELETE(h->of->holds, h);
	h->of = NULL;
}

/* --- changes --- */

static void push_job(struct snapshot_new *n, void (*work)(struct worker_job *job, struct xen *x),
		     void (*done)(struct worker_job *job))
{
	n->job = (struct worker_job){.work = work, .done = done};
	n->s->jobs++;
	opener_push(n->s->opener, &n->job);
}

static void begin_change(struct snapshots *s);

static int write_name_file(struct snapshot_new *n, struct err *e)
{
	int dir = n->s->dirfd;
	char file[FILE_NAME], name[FILE_NAME];
	bool made;
	int rc = save_digest(n->fd, &n->x->bytes, n->x->digest, e);

	if (rc < 0)
		return rc;
	if (n->x->bytes > n->room)
		return snapshots_full(n->s, n->x->name, e);
	if (fsync(n->fd) < 0)
		return err_sys(e, errno, "snapshot \"%s\"", n->x->name);
	(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_FILE, n->x->digest);
	/* An existing file with that digest is not replaced: it may have other names, which rely
	 * on its content. */
	made = linkat(dir, n->copy, dir, file, 0) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, errno, "snapshot \"%s\"", n->x->name);
	(void)unlinkat(dir, n->copy, 0);
	n->x->created_ns = clock_wall_ns();
	rc = namefile_write(dir, n->copy, n->x, e);
	if (rc == 0 && fsync(dir) < 0) {
		rc = err_sys(e, errno, "snapshot \"%s\"", n->x->name);
		/* before its file: the next daemon must not find what was reported as failed */
		(void)snprintf(name, sizeof(name), "%s" SNAPSHOT_NAME, n->x->name);
		(void)unlinkat(dir, name, 0);
	}
	if (rc < 0 && made) /* no other name has it */
		(void)unlinkat(dir, file, 0);
	return rc;
}

static int take_name(struct snapshot_new *n, struct err *e)
{
	int dir = n->s->dirfd;
	char file[FILE_NAME];

	(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_NAME, n->x->name);
	/* The name is removed before its file: no name may exist without its file. */
	if ((unlinkat(dir, file, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
		return err_sys(e, errno, "snapshot \"%s\"", n->x->name);
	if (n->drop[0])
		(void)unlinkat(dir, n->drop, 0);
	return 0;
}

static void change_work(struct worker_job *job, struct xen *x)
{
	struct snapshot_new *n = (struct snapshot_new *)job;

	(void)x;
	if (n->removes) {
		n->rc = take_name(n, &n->err);
		return;
	}
	n->rc = n->given_up ? -ECANCELED : write_name_file(n, &n->err);
	if (n->rc < 0)
		(void)unlinkat(n->s->dirfd, n->copy, 0);
	(void)close(n->fd);
}

/* Others have less room while this one is being made. */
static void reserve(struct snapshot_new *n, uint64_t bytes)
{
	imagestore_count_others(n->s->store, (int64_t)(bytes - n->reserved));
	n->reserved = bytes;
}

int snapshot_reserve(struct snapshot_new *n, uint64_t bytes, struct err *e)
{
	if (bytes > snapshots_room(n->s))
		return snapshots_full(n->s, n->x->name, e);
	reserve(n, bytes);
	return 0;
}

static void ends(struct snapshot_new *n)
{
	reserve(n, 0);
	DL_DELETE(n->s->making, n);
	if (!n->removes)
		free(n->rc < 0 ? n->x : NULL);
	free(n);
}

static void change_done(struct worker_job *job)
{
	struct snapshot_new *n = (struct snapshot_new *)job;
	struct snapshots *s = n->s;

	s->jobs--;
	s->changes = n->after;
	if (n->removes) {
		if (n->rc == 0)
			count(s, n->x, false);
		if (n->rc == 0)
			snaptable_drop(&s->table, n->x);
		else
			n->x->leaving = false;
		n->removed(n->arg, n->rc, &n->err);
	} else {
		if (n->rc == 0)
			count(s, n->x, true);
		if (n->rc == 0)
			snaptable_add(&s->table, n->x);
		if (!n->given_up)
			n->named(n->arg, n->rc, n->rc < 0 ? NULL : n->x, &n->err);
	}
	ends(n);
	begin_change(s);
}

/* The first of those that wait. */
static void begin_change(struct snapshots *s)
{
	struct snapshot_new *n = s->changes;
	struct stat st;

	if (!n)
		return;
	if (n->removes && !s->table.damaged && !snaptable_uses(&s->table, n->x->digest, n->x))
		(void)snprintf(n->drop, sizeof(n->drop), "%s" SNAPSHOT_FILE, n->x->digest);
	reserve(n, 0);
	n->room = snapshots_room(s);
	if (!n->removes && !n->given_up && fstat(n->fd, &st) == 0)
		reserve(n, (uint64_t)st.st_size < n->room ? (uint64_t)st.st_size : n->room);
	push_job(n, change_work, change_done);
}

static void push_change(struct snapshot_new *n)
{
	struct snapshot_new **at = &n->s->changes;
	bool first = !*at;

	while (*at)
		at = &(*at)->after;
	*at = n;
	if (first)
		begin_change(n->s);
}

/* --- a new one --- */

static void open_work(struct worker_job *job, struct xen *x)
{
	struct snapshot_new *n = (struct snapshot_new *)job;

	(void)x;
	n->fd = openat(n->s->dirfd, n->copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (n->fd < 0)
		n->rc = err_sys(&n->err, errno, "snapshot \"%s\"", n->x->name);
}

static void open_done(struct worker_job *job)
{
	struct snapshot_new *n = (struct snapshot_new *)job;
	int rc = n->rc;

	n->s->jobs--;
	/* may give it up, and be the end of it */
	n->opened(n->arg, rc, rc < 0 ? NULL : n, n->fd, &n->err);
	if (rc < 0)
		ends(n);
}

bool snapshot_name_taken(const struct snapshots *s, const char *name)
{
	const struct snapshot_new *n;

	DL_FOREACH(s->making, n)
	if (!n->given_up && strcmp(n->x->name, name) == 0)
		return true;
	return snaptable_find(&s->table, name) != NULL;
}

static int check_name(const struct snapshots *s, const char *name, struct err *e)
{
	if (!image_name_ok(name))
		return err_set(e, EINVAL,
			       "snapshot name \"%s\": 1 to %u letters, digits and . _ + : -, not "
			       "beginning with . or -",
			       name, IMAGE_NAME_MAX);
	if (!snapshot_name_taken(s, name))
		return 0;
	return err_set(e, EEXIST,
		       "there is a snapshot \"%s\" already: take another name, or \"chaos "
		       "snapshot rm %s\" first",
		       name, name);
}

int snapshot_new(struct snapshots *s, const char *name, snapshot_file_fn *fn, void *arg,
		 struct err *e)
{
	struct snapshot_new *n;
	int rc = check_name(s, name, e);

	if (rc == 0 && snapshots_room(s) == 0)
		rc = snapshots_full(s, name, e);
	if (rc < 0)
		return rc;
	n = calloc(1, sizeof(*n));
	if (n)
		n->x = calloc(1, sizeof(*n->x));
	if (!n || !n->x) {
		free(n);
		return err_set(e, ENOMEM, "out of memory");
	}
	n->s = s;
	n->fd = -1;
	n->opened = fn;
	n->arg = arg;
	(void)snprintf(n->x->name, sizeof(n->x->name), "%s", name);
	(void)snprintf(n->copy, sizeof(n->copy), IMAGE_UNFINISHED "vm-%llx-%llx",
		       (unsigned long long)clock_ns(), (unsigned long long)++s->made);
	DL_APPEND(s->making, n);
	push_job(n, open_work, open_done);
	return 0;
}

void snapshot_finish(struct snapshot_new *n, const struct snapshot *what, snapshot_named_fn *fn,
		     void *arg)
{
	struct snapshot *x = n->x;

	memcpy(x->parent, what->parent, sizeof(x->parent));
	memcpy(x->vm, what->vm, sizeof(x->vm));
	x->type = what->type;
	x->foreign = what->foreign;
	x->vcpus = what->vcpus;
	x->mem_kib = what->mem_kib;
	x->pages = what->pages;
	x->present = what->present;
	n->named = fn;
	n->arg = arg;
	push_change(n);
}

void snapshot_give_up(struct snapshot_new *n)
{
	n->given_up = true;
	push_change(n);
}

/* --- rm --- */

int snapshot_rm(struct snapshots *s, const char *name, snapshot_rm_fn *fn, void *arg, struct err *e)
{
	const struct snapshot *known = snapshots_find(s, name, e);
	struct snapshot *x = known ? snaptable_find(&s->table, name) : NULL;
	struct snapshot_new *n;
	char children[256];

	if (!x)
		return -ENOENT;
	if (x->holds)
		return err_set(e, EBUSY, "snapshot \"%s\" is in use by %s", name, x->holds->holder);
	snaptable_children(&s->table, x, children, sizeof(children));
	if (children[0])
		return err_set(e, EBUSY, "snapshot \"%s\" is the parent of %s: remove these first",
			       name, children);
	n = calloc(1, sizeof(*n));
	if (!n)
		return err_set(e, ENOMEM, "out of memory");
	n->s = s;
	n->x = x;
	n->removes = true;
	n->fd = -1;
	n->removed = fn;
	n->arg = arg;
	x->leaving = true;
	DL_APPEND(s->making, n);
	push_change(n);
	return 0;
}
