/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are named by path: opened, and disks looked at, away from the loop. */
#ifndef CHAOS_ENGINE_FILES_H
#define CHAOS_ENGINE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "dom0/loopdev.h"
#include "split-toolstack/engine/services/worker.h"

struct ev_loop;
struct files;
struct opener;
struct device_config;

/* Where files are opened: at once where that cannot wait, else on the threads of a worker. While it
 * has none files are closed on the loop, and none are opened. -ENOMEM. */
int opener_open(struct ev_loop *loop, struct opener **out, struct err *e);
void opener_set_worker(struct opener *o, struct worker *w); /* NULL: it has ended */
/* Another job for the same threads: of what may hang with a file system. */
void opener_push(struct opener *o, struct worker_job *job);
/* No thread opens or closes a file. */
bool opener_is_idle(const struct opener *o);
void opener_close(struct opener *o); /* NULL is fine */

enum file_use {
	FILE_READ, /* a kernel or a ramdisk: open for reading */
	/* A disk for a VM: its kind and format are checked, that nothing else uses it, and it is
	 * locked. */
	FILE_DISK,
	FILE_DISK_HELD, /* one that a VM has already: its kind is found out, and nothing refused */
	/* The same, and a block device is locked: its lock was the last daemon's. */
	FILE_DISK_LOCK,
};

struct file {
	enum file_use use;
	bool readonly;
	char *path;	       /* a copy; NULL: `fd` was given */
	char *or_path;	       /* of a disk: tried when nothing is there, and becomes `path` */
	int dirfd;	       /* the folder that it begins in; AT_FDCWD: none */
	const char *key;       /* of what is read: "kernel", ...; not copied */
	uint32_t vdev;	       /* of a disk: the caller's */
	int fd;		       /* open with rc 0; -1: not open, or taken by file_take() */
	struct disk_info info; /* of a disk; known as far as looking at it came */
	int rc;		       /* 0 or -errno, with a reason that does not name the file */
	struct err err;
};

/* Called on the loop, once. */
typedef void files_fn(void *arg, struct files *f);

/* A set of files for one request. */
struct files {
	struct worker_job job;
	struct opener *opener;
	files_fn *fn; /* NULL: not wanted any more */
	void *arg;
	bool busy; /* a thread has it */
	uint32_t n;
	struct file *file;
};

/* NULL: no memory. */
struct files *files_new(struct opener *o);
/* One more, by its path, which is copied. NULL: no memory; the set is as before. */
struct file *files_add(struct files *f, enum file_use use, const char *path, struct err *e);
/* A disk: by `fd`, of which a copy is made, or when that is -1 by its path. -errno with the reason.
 */
int files_add_disk(struct files *f, enum file_use use, const struct device_config *d,
		   struct err *e);

static inline uint32_t files_count(const struct files *f) /* NULL: 0 */
{
	return f ? f->n : 0;
}

/* What is read under this key; NULL: none. */
static inline struct file *files_read(struct files *f, const char *key)
{
	for (uint32_t i = 0; f && i < f->n; i++)
		if (f->file[i].use == FILE_READ && strcmp(f->file[i].key, key) == 0)
			return &f->file[i];
	return NULL;
}

/* The disk of this number; NULL: none. */
static inline struct file *files_disk(struct files *f, uint32_t vdev)
{
	for (uint32_t i = 0; f && i < f->n; i++)
		if (f->file[i].use != FILE_READ && f->file[i].vdev == vdev)
			return &f->file[i];
	return NULL;
}

/* The descriptor, which is the caller's from then on; -1: it is not open. */
static inline int file_take(struct file *file)
{
	int fd = file->fd;

	file->fd = -1;
	return fd;
}

/* The same of what is read under this key into *fd, or the file's error, in which it is called
 * `name`. */
static inline int files_take(struct files *f, const char *key, const char *name, int *fd,
			     struct err *e)
{
	struct file *file = files_read(f, key);

	if (!file)
		return 0;
	if (file->rc < 0) {
		err_copy(e, &file->err);
		return err_wrap(e, file->rc, "%s \"%s\"", key, name);
	}
	*fd = file_take(file);
	return 0;
}

/* Opens all: true when that was done at once, false when `fn` is called later on the loop. A file
 * that hangs holds up the whole set, and a thread. Errors are those of each file. */
bool files_open(struct files *f, files_fn *fn, void *arg);
/* The same before the loop runs: nothing is left to threads. */
void files_open_now(struct files *f);

/* Being opened, and `fn` not called yet. */
static inline bool files_busy(const struct files *f)
{
	return f && f->busy;
}

/* The set is not wanted any more, in whatever state: `fn` is not called, what is open and was not
 * taken is closed, by a thread, since that can hang as well. NULL is fine; *f becomes NULL. */
void files_drop(struct files **f);
/* Closes a descriptor, by a thread where that can wait; -1 is fine. */
void file_close(struct opener *o, enum file_use use, int fd);

#endif
