/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens files that are named by path, and examines disks, without blocking the loop. */
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

/* Opens files at once if that cannot block, otherwise on the threads of a worker. While it has
 * no worker, files are closed on the loop, and none can be opened. -ENOMEM. */
int opener_open(struct ev_loop *loop, struct opener **out, struct err *e);
void opener_set_worker(struct opener *o, struct worker *w); /* NULL: the worker has ended */
/* Pushes another job that may hang with a file system to the same threads. */
void opener_push(struct opener *o, struct worker_job *job);
/* Whether no thread opens or closes a file. */
bool opener_is_idle(const struct opener *o);
void opener_close(struct opener *o); /* NULL is allowed */

enum file_use {
	FILE_READ, /* a kernel or a ramdisk: opened for reading */
	/* A disk for a VM: its kind and format and other users are checked, and it is locked. */
	FILE_DISK,
	FILE_DISK_HELD, /* a disk that a VM has already: its kind is determined, nothing is refused
			 */
	/* The same, and a block device is locked, because the last daemon had its lock. */
	FILE_DISK_LOCK,
};

struct file {
	enum file_use use;
	bool readonly;
	char *path;	       /* a copy; NULL: `fd` was given */
	char *or_path;	       /* a disk: used, and becomes `path`, if `path` does not exist */
	int dirfd;	       /* folder for relative paths; AT_FDCWD: none */
	const char *key;       /* of a file to read: "kernel", ...; not copied */
	uint32_t vdev;	       /* of a disk: for the caller */
	int fd;		       /* open if rc is 0; -1: not open, or taken by file_take() */
	struct disk_info info; /* of a disk; as far as it was examined */
	int rc;		       /* 0 or -errno, with a reason that does not name the file */
	struct err err;
};

/* Called once, on the loop. */
typedef void files_fn(void *arg, struct files *f);

/* The files for one request. */
struct files {
	struct worker_job job;
	struct opener *opener;
	files_fn *fn; /* NULL: the set was dropped */
	void *arg;
	bool busy; /* a thread works on it */
	uint32_t n;
	struct file *file;
};

/* NULL: out of memory. */
struct files *files_new(struct opener *o);
/* Adds a file by its path, which is copied. NULL: out of memory; the set is not changed. */
struct file *files_add(struct files *f, enum file_use use, const char *path, struct err *e);
/* Adds a disk: by `fd`, of which a copy is made, or if that is -1 by its path. -errno with the
 * reason. */
int files_add_disk(struct files *f, enum file_use use, const struct device_config *d,
		   struct err *e);

/* The file of a set that has one. */
static inline struct file *files_only(struct files *f)
{
	return f->file;
}

/* The file to read with this key; NULL: none. */
static inline struct file *files_read(struct files *f, const char *key)
{
	for (uint32_t i = 0; f && i < f->n; i++)
		if (f->file[i].use == FILE_READ && strcmp(f->file[i].key, key) == 0)
			return &f->file[i];
	return NULL;
}

/* The disk with this number; NULL: none. */
static inline struct file *files_disk(struct files *f, uint32_t vdev)
{
	for (uint32_t i = 0; f && i < f->n; i++)
		if (f->file[i].use != FILE_READ && f->file[i].vdev == vdev)
			return &f->file[i];
	return NULL;
}

/* Returns the descriptor, which the caller closes from then on; -1: it is not open. */
static inline int file_take(struct file *file)
{
	int fd = file->fd;

	file->fd = -1;
	return fd;
}

/* Takes the descriptor of the file with this key into *fd, or returns its error, with `name` in
 * the message. */
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

/* Opens all files: true if that is done; false if `fn` will be called later on the loop. A file
 * that hangs delays the whole set, and uses a thread. Each file has its own error. */
bool files_open(struct files *f, files_fn *fn, void *arg);
/* The same for the time before the loop runs: uses no threads. */
void files_open_now(struct files *f);

/* Whether files are being opened, so that `fn` was not called yet. */
static inline bool files_busy(const struct files *f)
{
	return f && f->busy;
}

/* Frees the set in any state: `fn` is not called; files that are open and were not taken are
 * closed, by a thread if that may hang. NULL is allowed; *f becomes NULL. */
void files_drop(struct files **f);
/* Closes a descriptor, by a thread if that may block; -1 is allowed. */
void file_close(struct opener *o, enum file_use use, int fd);

#endif
