/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies disks that a VM made from a file will write: by reference where the file system can. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>
#include <utlist.h>

#include "dom0/loopdev.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"

/* On a thread. A copy has no name until it is complete. If the restore fails, the copies are
 * removed; otherwise they are ordinary disks, which chaosd never removes. */

#define CHUNK	(1u << 20)
#define TURNS	40u
#define TURN_NS 50000000

/* --- on a thread --- */

static int copy_part(int from, int to, off_t at, off_t end, const struct transfer *t, uint8_t *buf)
{
	while (at < end) {
		size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = transfer_is_cancelled(t) ? -1 : pread(from, buf, want, at);

		if (n < 0)
			return transfer_is_cancelled(t) ? -ECANCELED : -errno;
		if (n == 0)
			return -EIO; /* the file has become shorter */
		if (pwrite(to, buf, (size_t)n, at) != n)
			return errno ? -errno : -ENOSPC;
		at += n;
	}
	return 0;
}

/* Copies the parts that are not holes. */
static int copy_data(int from, int to, off_t size, const struct transfer *t)
{
	uint8_t *buf = malloc(CHUNK);
	off_t at = 0;
	int rc = buf ? 0 : -ENOMEM;

	if (rc == 0 && ftruncate(to, size) < 0)
		rc = -errno;
	while (rc == 0 && at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at; /* the file system does not report holes */
		hole = lseek(from, data, SEEK_HOLE);
		if (hole <= data)
			hole = size;
		errno = 0;
		rc = copy_part(from, to, data, hole, t, buf);
		at = hole;
	}
	free(buf);
	return rc;
}

/* The file name without the folder. */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int open_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd;

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(base_of(path) - path), path);
	fd = open(folder[0] ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd; /* cppcheck-suppress resourceLeak; the caller closes it */
}

/* The file has no name until it is complete. */
static int open_unnamed(int folder)
{
	int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return fd; /* cppcheck-suppress resourceLeak; the caller closes it */
}

static int link_copy(struct disk_copy *d, int fd)
{
	struct stat st;
	char self[32];

	if (fstat(fd, &st) < 0)
		return -errno;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, d->folder, base_of(d->to), AT_SYMLINK_FOLLOW) < 0 ? -errno
											: 0;
}

/* Contents, owner and mode. */
static int fill_copy(int to, int from, const struct stat *st, const struct transfer *t)
{
	int rc = 0;

	if (ioctl(to, FICLONE, from) < 0)
		rc = copy_data(from, to, st->st_size, t);
	if (rc == 0 &&
	    (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 0777) < 0))
		rc = -errno;
	return rc;
}

static int copy_file(struct disk_copy *d, int from, const struct stat *st, const struct transfer *t,
		     struct err *e)
{
	int to = open_unnamed(d->folder);
	int rc = to < 0 ? to : fill_copy(to, from, st, t);

	if (rc == 0)
		rc = link_copy(d, to);
	if (to >= 0)
		(void)close(to);
	if (rc == -ECANCELED)
		return err_set(e, ECANCELED, "the restore was cancelled");
	if (rc == -EEXIST)
		return err_set(e, EEXIST,
			       "disk %s: %s exists already: remove it if no VM uses it, or give "
			       "the copy another name",
			       d->from, d->to);
	return rc < 0 ? err_sys(e, -rc, "disk %s: copy it to %s", d->from, d->to) : 0;
}

int disk_copy_unnamed(const char *path, int from, const struct transfer *t, struct err *e)
{
	struct stat st;
	int folder;
	int to = -1;
	int rc;

	if (fstat(from, &st) < 0)
		return err_sys(e, errno, "disk %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EOPNOTSUPP,
			       "disk %s: is a block device, and only files can be copied: use "
			       "--disk none",
			       path);
	folder = open_folder(path);
	if (folder < 0)
		return err_sys(e, -folder, "disk %s: open its folder", path);
	to = open_unnamed(folder);
	rc = to < 0 ? to : fill_copy(to, from, &st, t);
	(void)close(folder);
	if (rc == 0)
		return to;
	if (to >= 0)
		(void)close(to);
	return err_sys(e, -rc, "disk %s: copy it", path);
}

/* The loop device of its last user may still be closing. */
static int lock(int fd, const struct disk_info *info, const struct transfer *t, struct err *e)
{
	const struct timespec moment = {.tv_nsec = TURN_NS};
	int rc = -EBUSY;

	for (uint32_t turn = 0; rc == -EBUSY && turn < TURNS && !transfer_is_cancelled(t); turn++) {
		if (turn)
			(void)nanosleep(&moment, NULL);
		rc = disk_lock(fd, true, e);
		if (rc == 0)
			rc = disk_in_use(fd, info, true, e);
	}
	return rc;
}

/* The disk must not be written meanwhile, nor have been written since the save. */
static int copy_disk(struct disk_copy *d, uint64_t saved_ns, const struct transfer *t,
		     struct err *e)
{
	int from = -1;
	struct disk_info info = {0};
	struct stat st = {0};
	int rc;

	d->folder = open_folder(d->from);
	if (d->folder < 0)
		return err_sys(e, -d->folder, "disk %s: open its folder", d->from);
	if (d->base >= 0) {
		rc = fstat(d->base, &st) < 0 ? err_sys(e, errno, "disk %s", d->from)
					     : copy_file(d, d->base, &st, t, e);
		d->made = rc == 0;
		return rc;
	}
	from = openat(d->folder, base_of(d->from), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (from < 0)
		return err_sys(e, errno, "disk %s: open it", d->from);
	rc = disk_probe(from, &info, e);
	if (rc == 0)
		rc = lock(from, &info, t, e);
	if (rc == 0) /* the configuration of the copy */
		rc = disk_probe(from, &info, e);
	if (rc == 0 && (info.block || fstat(from, &st) < 0))
		rc = err_set(e, EOPNOTSUPP,
			     "is a block device, and only files can be copied: use --disk readonly "
			     "or none");
	if (rc == 0 && info.written_ns > saved_ns)
		rc = err_set(e, ESTALE, "was written after the VM was saved");
	if (rc < 0)
		rc = err_wrap(e, rc, "disk %s", d->from);
	else
		rc = copy_file(d, from, &st, t, e);
	(void)close(from);
	d->made = rc == 0;
	return rc;
}

/* Removes the name of a copy, if it still is the name of this file. */
static void remove_copy(const struct disk_copy *d)
{
	const char *name = base_of(d->to);
	struct stat st;

	if (d->made && fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == d->dev && st.st_ino == d->ino)
		(void)unlinkat(d->folder, name, 0);
}

static void remove_all(const struct vm_restore *r)
{
	for (uint32_t i = 0; i < r->ncopies; i++)
		remove_copy(&r->copies[i]);
}

static void copy_disks(struct worker_job *job, struct xen *x)
{
	struct vm_restore *r = (struct vm_restore *)job;
	uint64_t saved_ns = save_info(r->stream)->saved_ns;

	(void)x;
	for (uint32_t i = 0; r->rc == 0 && i < r->ncopies; i++)
		r->rc = copy_disk(&r->copies[i], saved_ns, &r->file, &r->err);
	if (r->rc < 0)
		remove_all(r);
}

/* --- on the loop --- */

static void done(struct worker_job *job)
{
	struct vm_restore *r = (struct vm_restore *)job;

	if (r->rc < 0)
		restore_forget_copies(r);
	r->copied(r);
}

/* The path of a copy: that of the disk, followed by the name of the VM. */
static char *name_of(const char *path, const char *vm)
{
	char *to = NULL;

	return asprintf(&to, "%s.%s", path, vm) < 0 ? NULL : to;
}

static int base_for(const struct taken_disks *t, const char *path)
{
	for (uint32_t i = 0; t && i < t->n; i++)
		if (strcmp(t->disk[i].path, path) == 0)
			return t->disk[i].fd;
	return -1;
}

int restore_copy_disks(struct vm_restore *r, struct vm_config *c, struct err *e)
{
	for (uint32_t i = 0; r->flags & VM_RESTORE_DISKS_COPY && i < c->ndevice; i++) {
		struct vbd_config *v = device_change_file(&c->device[i]);
		struct disk_copy *d = &r->copies[r->ncopies];
		char *to;

		if (!v || v->readonly || r->ncopies == VM_VBDS_MAX)
			continue;
		to = name_of(v->path, c->name);
		if (!to)
			return err_set(e, ENOMEM, "out of memory");
		*d = (struct disk_copy){.from = v->path,
					.to = strdup(to),
					.base = base_for(r->disks, v->path),
					.folder = -1};
		v->path = to;
		v->dev = v->ino = 0;
		r->ncopies++;
		if (!d->to)
			return err_set(e, ENOMEM, "out of memory");
	}
	if (r->ncopies == 0)
		return 0;
	r->job.work = copy_disks;
	r->job.done = done;
	worker_push(engine_worker(r->en), WORKER_STREAMS, &r->job);
	return 1;
}

void restore_forget_copies(struct vm_restore *r)
{
	while (r->ncopies) {
		struct disk_copy *d = &r->copies[--r->ncopies];

		if (d->folder >= 0)
			(void)close(d->folder);
		free(d->from);
		free(d->to);
	}
}

/* --- copies are removed --- */

struct copies_deletion {
	struct worker_job job;
	struct copies_deletion *prev, *next; /* list of the engine, for VMs that arrive */
	stream_id id;
	struct vm_restore r; /* only its copies are used */
};

static void removal_work(struct worker_job *job, struct xen *x)
{
	(void)x;
	remove_all(&((struct copies_deletion *)job)->r);
}

static void removal_done(struct worker_job *job)
{
	struct copies_deletion *m = (struct copies_deletion *)job;

	restore_forget_copies(&m->r);
	free(m);
}

static void remove_soon(struct engine *en, struct copies_deletion *m)
{
	m->job = (struct worker_job){.work = removal_work, .done = removal_done};
	worker_push(engine_worker(en), WORKER_FILES, &m->job);
}

/* Takes its copies; NULL: no memory. */
static struct copies_deletion *take_copies(struct vm_restore *r)
{
	struct copies_deletion *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	memcpy(m->r.copies, r->copies, sizeof(r->copies));
	m->r.ncopies = r->ncopies;
	r->ncopies = 0;
	return m;
}

void restore_remove_copies(struct vm_restore *r)
{
	struct copies_deletion *m = r->ncopies ? take_copies(r) : NULL;

	if (m) {
		remove_soon(r->en, m);
		return;
	}
	remove_all(r);
	restore_forget_copies(r);
}

/* --- copies for VMs that arrive --- */

int restore_keep_copies(struct vm_restore *r)
{
	struct copies_deletion *m = r->ncopies ? take_copies(r) : NULL;

	if (!m)
		return r->ncopies ? -ENOMEM : 0;
	m->id = r->id;
	DL_APPEND(engine_streams(r->en)->arriving, m);
	return 0;
}

static void arrived(struct engine *en, struct copies_deletion *m, bool stays)
{
	DL_DELETE(engine_streams(en)->arriving, m);
	if (!stays) {
		remove_soon(en, m);
		return;
	}
	restore_forget_copies(&m->r);
	free(m);
}

void restore_arrived(struct engine *en, stream_id id, bool stays)
{
	struct copies_deletion *m;

	DL_SEARCH_SCALAR(engine_streams(en)->arriving, m, id, id);
	if (m)
		arrived(en, m, stays);
}

void restore_arrived_none(struct engine *en)
{
	while (engine_streams(en)->arriving)
		arrived(en, engine_streams(en)->arriving, false);
}
