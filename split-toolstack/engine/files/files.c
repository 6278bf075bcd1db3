/* SPDX-License-Identifier: BSD-3-Clause */
/* Files given by path: threads open them and examine disks. */
#include "split-toolstack/engine/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>

#include "split-toolstack/engine/config/device_config.h"
#include "split-toolstack/engine/files/local.h"

/* Another thread that checks whether a file is used elsewhere (ours_alone() in dom0/disk.c) has
 * a lease on it for some microseconds, during which it cannot be opened. */
#define LEASE_TRIES 20
#define LEASE_NS    1000000

struct opener {
	struct ev_loop *loop;
	struct worker *worker; /* NULL: no threads */
	uint32_t opening;      /* sets of files that they open or close */
	ev_io mounts;
};

/* --- threads --- */

int opener_open(struct ev_loop *loop, struct opener **out, struct err *e)
{
	struct opener *o = calloc(1, sizeof(*o));

	if (!o)
		return err_set(e, ENOMEM, "out of memory");
	o->loop = loop;
	mounts_watch(loop, &o->mounts); /* and reads them, before a request waits for it */
	*out = o;
	return 0;
}

void opener_set_worker(struct opener *o, struct worker *w)
{
	o->worker = w;
}

bool opener_is_idle(const struct opener *o)
{
	return o->opening == 0;
}

void opener_close(struct opener *o)
{
	if (!o)
		return;
	ev_io_stop(o->loop, &o->mounts);
	free(o);
}

void opener_push(struct opener *o, struct worker_job *job)
{
	worker_push(o->worker, WORKER_FILES, job);
}

static void push(struct files *f, void (*work)(struct worker_job *job, struct xen *x),
		 void (*done)(struct worker_job *job))
{
	f->job = (struct worker_job){.work = work, .done = done};
	f->opener->opening++;
	opener_push(f->opener, &f->job);
}

/* --- a set --- */

struct files *files_new(struct opener *o)
{
	struct files *f = calloc(1, sizeof(*f));

	if (f)
		f->opener = o;
	return f;
}

static struct file *one_more(struct files *f, enum file_use use, struct err *e)
{
	struct file *grown = realloc(f->file, (f->n + 1) * sizeof(*grown));

	if (!grown) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	f->file = grown;
	grown[f->n] = (struct file){.use = use, .dirfd = AT_FDCWD, .key = "file", .fd = -1};
	return &grown[f->n];
}

struct file *files_add(struct files *f, enum file_use use, const char *path, struct err *e)
{
	struct file *file = one_more(f, use, e);

	if (!file)
		return NULL;
	file->path = strdup(path);
	if (!file->path) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	f->n++;
	return file;
}

int files_add_disk(struct files *f, enum file_use use, const struct device_config *d, struct err *e)
{
	const struct vbd_config *v = &d->u.vbd;
	struct file *file;

	if (v->fd < 0) {
		file = files_add(f, use, v->path, e);
		if (!file)
			return -ENOMEM;
		file->or_path = v->or_path ? strdup(v->or_path) : NULL;
		if (v->or_path && !file->or_path)
			return err_set(e, ENOMEM, "out of memory");
	} else {
		file = one_more(f, use, e);
		if (!file)
			return -ENOMEM;
		file->fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 3);
		if (file->fd < 0)
			return err_sys(e, errno, "copy the descriptor of a disk");
		f->n++;
	}
	file->readonly = v->readonly;
	file->vdev = d->devid;
	return 0;
}

/* --- on a thread --- */

static int open_path(const struct file *f, int flags)
{
	struct timespec moment = {0, LEASE_NS};
	int fd = -1;

	flags |= O_CLOEXEC | O_NONBLOCK | (f->dirfd == AT_FDCWD ? 0 : O_NOFOLLOW);
	for (int i = 0; i < LEASE_TRIES; i++) {
		fd = f->dirfd == AT_FDCWD ? open(f->path, flags) : openat(f->dirfd, f->path, flags);
		if (fd >= 0 || errno != EWOULDBLOCK)
			break;
		(void)nanosleep(&moment, NULL);
	}
	return fd;
}

/* Examined before it is opened, because opening something that is not a disk may have effects. */
static int open_disk(struct file *f, struct err *e)
{
	struct stat st;
	int rc;

	if (f->fd >= 0)
		return 0;
	rc = stat(f->path, &st);
	if (rc < 0 && errno == ENOENT && f->or_path) {
		if (stat(f->or_path, &st) < 0 && errno == ENOENT)
			return err_set(e, ENOENT, "neither that nor %s is there", f->or_path);
		free(f->path);
		f->path = f->or_path;
		f->or_path = NULL;
		rc = stat(f->path, &st);
	}
	if (rc < 0)
		return err_sys(e, errno, "cannot be opened");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, EINVAL, "is %s; a disk is a block device or a file",
			       S_ISDIR(st.st_mode) ? "a folder" : "neither");
	f->fd = open_path(f, f->readonly ? O_RDONLY : O_RDWR);
	if (f->fd >= 0)
		return 0;
	if (errno == EROFS)
		return err_set(e, EROFS, "lies on a read-only file system; give it access \"r\"");
	return err_sys(e, errno, "cannot be opened");
}

static int examine_disk(struct file *f, struct err *e)
{
	int rc = open_disk(f, e);

	if (rc < 0)
		return rc;
	rc = disk_probe(f->fd, &f->info, e);
	if (f->use == FILE_DISK_HELD) /* what the guest wrote is its own matter */
		return 0;
	if (f->use == FILE_DISK_LOCK)
		return f->info.block ? disk_lock(f->fd, f->readonly, e) : 0;
	if (rc == 0)
		rc = disk_in_use(f->fd, &f->info, f->readonly, e);
	return rc < 0 ? rc : disk_lock(f->fd, f->readonly, e);
}

static int open_to_read(struct file *f, struct err *e)
{
	if (f->fd < 0)
		f->fd = open_path(f, O_RDONLY);
	return f->fd < 0 ? err_set(e, errno, "%s", strerror(errno)) : 0;
}

static void open_work(struct worker_job *job, struct xen *x)
{
	struct files *f = (struct files *)job;

	(void)x;
	for (uint32_t i = 0; i < f->n; i++) {
		struct file *file = &f->file[i];

		if (file->rc < 0) /* known before */
			continue;
		file->rc = file->use == FILE_READ ? open_to_read(file, &file->err)
						  : examine_disk(file, &file->err);
		if (file->rc < 0 && file->fd >= 0)
			(void)close(file_take(file));
	}
}

static void close_work(struct worker_job *job, struct xen *x)
{
	struct files *f = (struct files *)job;

	(void)x;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->file[i].fd >= 0)
			(void)close(file_take(&f->file[i]));
}

/* --- on the loop --- */

static void free_files(struct files *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		free(f->file[i].path);
		free(f->file[i].or_path);
	}
	free(f->file);
	free(f);
}

static void close_done(struct worker_job *job)
{
	struct files *f = (struct files *)job;

	f->opener->opening--;
	free_files(f);
}

/* The job that has opened them closes them, so that this needs no memory. */
static void close_all(struct files *f)
{
	bool slow = false;

	for (uint32_t i = 0; i < f->n; i++)
		slow = slow ||
		       (f->file[i].fd >= 0 && (f->file[i].use != FILE_READ || !mounts_are_local()));
	if (slow && f->opener->worker) {
		push(f, close_work, close_done);
		return;
	}
	close_work(&f->job, NULL);
	free_files(f);
}

static void open_done(struct worker_job *job)
{
	struct files *f = (struct files *)job;

	f->opener->opening--;
	f->busy = false;
	if (f->fn)
		f->fn(f->arg, f);
	else
		close_all(f);
}

static bool open_at_once(struct files *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct file *file = &f->file[i];
		int fd;

		if (file->use != FILE_READ)
			return false;
		if (file->rc < 0)
			continue;
		fd = file->fd < 0 ? quick_open(file->dirfd, file->path) : file->fd;
		if (fd < 0)
			return false;
		file->fd = fd;
	}
	return true;
}

bool files_open(struct files *f, files_fn *fn, void *arg)
{
	if (open_at_once(f))
		return true;
	f->fn = fn;
	f->arg = arg;
	f->busy = true;
	push(f, open_work, open_done);
	return false;
}

void files_open_now(struct files *f)
{
	open_work(&f->job, NULL);
}

void files_drop(struct files **of)
{
	struct files *f = *of;

	*of = NULL;
	if (!f)
		return;
	if (f->busy)
		f->fn = NULL; /* open_done() frees it; if it hangs, it is freed with the process */
	else
		close_all(f);
}

void file_close(struct opener *o, enum file_use use, int fd)
{
	bool quick = fd < 0 || !o || !o->worker || (use == FILE_READ && mounts_are_local());
	struct files *f = quick ? NULL : files_new(o);
	struct file *file = f ? one_more(f, use, NULL) : NULL;

	if (file) {
		file->fd = fd;
		f->n = 1;
		close_all(f);
		return;
	}
	free(f);
	if (fd >= 0)
		(void)close(fd);
}
