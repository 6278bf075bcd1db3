/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed images kept for the next create: the same file, unchanged, is not read again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "split-toolstack/engine/private.h"

/* Kept at most: so many images, so many bytes together. */
#define KEEP_IMAGES 32u
#define KEEP_BYTES  (256ull << 20)

struct image_entry {
	struct file_key key;
	struct image *img;
	struct image_entry *next;
};

static void to_key(const struct stat *st, struct file_key *out)
{
	memset(out, 0, sizeof(*out)); /* compared as bytes */
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	out->size = st->st_size;
	out->mtime = st->st_mtim;
	out->ctime = st->st_ctim;
}

/* As the kernel has it in memory: that is as fresh as the open() of the file, and no server is
 * asked. */
bool file_key(int fd, struct file_key *out)
{
	struct statx st;

	memset(out, 0, sizeof(*out)); /* compared as bytes */
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return false;
	out->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	out->ino = st.stx_ino;
	out->size = (off_t)st.stx_size;
	out->mtime = (struct timespec){st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec};
	out->ctime = (struct timespec){st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec};
	return true;
}

/* Most recently used first. */
static struct image *lookup(struct engine *en, const struct file_key *key)
{
	for (struct image_entry **at = &en->images; *at; at = &(*at)->next) {
		struct image_entry *i = *at;

		if (memcmp(&i->key, key, sizeof(*key)) != 0)
			continue;
		*at = i->next;
		i->next = en->images;
		en->images = i;
		return image_ref(i->img);
	}
	return NULL;
}

/* Drops the least recently used ones that are too much. */
static void shrink(struct engine *en)
{
	struct image_entry **at = &en->images;
	uint64_t bytes = 0;

	for (uint32_t n = 0; *at; n++) {
		bytes += image_info((*at)->img)->bytes;
		if (n >= KEEP_IMAGES || bytes > KEEP_BYTES)
			break;
		at = &(*at)->next;
	}
	while (*at) {
		struct image_entry *old = *at;

		*at = old->next;
		image_put(old->img);
		free(old);
	}
}

static void keep(struct engine *en, struct image *img)
{
	struct file_key key;
	struct image_entry *i;
	struct image *known;

	to_key(&image_info(img)->file, &key);
	known = lookup(en, &key);
	image_put(known);
	i = known ? NULL : calloc(1, sizeof(*i));
	if (!i)
		return;
	i->key = key;
	i->img = image_ref(img);
	i->next = en->images;
	en->images = i;
	shrink(en);
}

struct image *images_find(struct engine *en, int fd)
{
	struct file_key key;

	return file_key(fd, &key) ? lookup(en, &key) : NULL;
}

int images_add(struct files *f, struct engine *en, const char *path, const char *key, struct err *e)
{
	bool stored = strncmp(path, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0;
	struct file *file;
	char digest[65] = "";
	struct err why = {0};
	int rc = 0;

	if (stored)
		rc = imagestore_digest(en, path + strlen(IMAGE_PREFIX), digest, &why);
	file = files_add(f, FILE_READ, stored ? digest : path, e);
	if (!file)
		return -ENOMEM;
	file->key = key;
	file->dirfd = stored ? en->image_dirfd : AT_FDCWD;
	file->rc = rc;
	file->err = why;
	return 0;
}

void images_close(struct engine *en)
{
	while (en->images) {
		struct image_entry *next = en->images->next;

		image_put(en->images->img);
		free(en->images);
		en->images = next;
	}
}

uint32_t images_window(const struct engine *en)
{
	uint32_t most = 0;

	for (const struct image_entry *i = en->images; i; i = i->next) {
		uint32_t pages = image_window_pages(i->img);

		most = pages > most ? pages : most;
	}
	return most;
}

/* --- reading, away from the loop --- */

struct image_wait {
	image_read_fn *fn;
	void *arg;
	struct image_wait *next;
};

/* One file that is being read, for all that wait for it. */
struct image_job {
	struct worker_job job;
	struct image_job *prev, *next;
	struct engine *en;
	struct file_key key;
	int fd;
	char name[256], cache_dir[512];
	struct image *img;
	struct image_wait *waits;
	int rc;
	struct err err;
};

static void read_work(struct worker_job *job, struct xen *x)
{
	struct image_job *j = (struct image_job *)job;

	(void)x;
	j->rc = image_open(j->fd, j->name, j->cache_dir, &j->img, &j->err);
}

static void read_done(struct worker_job *job)
{
	struct image_job *j = (struct image_job *)job;
	struct engine *en = j->en;

	DL_DELETE(en->image_reads, j);
	en->builds--;
	if (j->rc == 0)
		keep(en, j->img);
	while (j->waits) {
		struct image_wait *w = j->waits;

		j->waits = w->next;
		w->fn(w->arg, j->img ? image_ref(j->img) : NULL, j->rc, &j->err);
		free(w);
	}
	image_put(j->img);
	file_close(en, FILE_READ, j->fd);
	free(j);
}

static struct image_job *new_job(struct engine *en, int fd, const char *name, struct err *e)
{
	struct image_job *j = calloc(1, sizeof(*j));

	if (!j) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	j->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (j->fd < 0) {
		(void)err_sys(e, errno, "image \"%s\"", name);
		free(j);
		return NULL;
	}
	j->job = (struct worker_job){.work = read_work, .done = read_done};
	j->en = en;
	(void)file_key(fd, &j->key);
	(void)snprintf(j->name, sizeof(j->name), "%s", name);
	(void)snprintf(j->cache_dir, sizeof(j->cache_dir), "%s", en->conf.cache_dir);
	DL_APPEND(en->image_reads, j);
	en->builds++;
	worker_push(en->worker, WORKER_FILES, &j->job);
	return j;
}

int images_read(struct engine *en, int fd, const char *name, image_read_fn *fn, void *arg,
		struct err *e)
{
	struct image_wait *w = malloc(sizeof(*w));
	struct image_wait **tail;
	struct image_job *j;
	struct file_key key;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	(void)file_key(fd, &key);
	DL_FOREACH(en->image_reads, j)
	if (memcmp(&j->key, &key, sizeof(key)) == 0)
		break;
	if (!j)
		j = new_job(en, fd, name, e);
	if (!j) {
		free(w);
		return -e->code;
	}
	*w = (struct image_wait){fn, arg, NULL};
	for (tail = &j->waits; *tail; tail = &(*tail)->next)
		;
	*tail = w;
	return 0;
}

int images_load(struct engine *en, int fd, const char *name, struct image **out, struct err *e)
{
	int rc = 0;

	*out = images_find(en, fd);
	if (!*out)
		rc = image_open(fd, name, en->conf.cache_dir, out, e);
	if (rc == 0)
		keep(en, *out);
	return rc;
}
