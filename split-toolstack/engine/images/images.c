/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed images, kept for the next create: a file that has not changed is not read again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "split-toolstack/engine/files/file_key.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/images/imagestore.h"
#include "split-toolstack/engine/services/worker.h"

/* Limits: number of images, and bytes of all of them. */
#define KEEP_IMAGES 32u
#define KEEP_BYTES  (256ull << 20)

struct image_entry {
	struct file_key key;
	struct image *img;
	struct image_entry *next;
};

struct images {
	struct images_conf conf;
	struct imagestore *store;
	struct image_entry *kept;
	struct image_job *reads; /* utlist head */
};

int images_open(const struct images_conf *conf, struct images **out, struct err *e)
{
	struct images *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->conf = *conf;
	rc = imagestore_open(conf, &s->store, e);
	if (rc < 0) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void images_close(struct images *s, bool ended)
{
	if (!s)
		return;
	while (s->kept) {
		struct image_entry *next = s->kept->next;

		image_put(s->kept->img);
		free(s->kept);
		s->kept = next;
	}
	imagestore_close(s->store, ended);
	free(s);
}

struct imagestore *images_store(struct images *s)
{
	return s->store;
}

/* Most recently used first. */
static struct image *lookup(struct images *s, const struct file_key *key)
{
	for (struct image_entry **at = &s->kept; *at; at = &(*at)->next) {
		struct image_entry *i = *at;

		if (memcmp(&i->key, key, sizeof(*key)) != 0)
			continue;
		*at = i->next;
		i->next = s->kept;
		s->kept = i;
		return image_ref(i->img);
	}
	return NULL;
}

/* Drops the least recently used ones above the limits. */
static void shrink(struct images *s)
{
	struct image_entry **at = &s->kept;
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

static void keep(struct images *s, struct image *img)
{
	struct file_key key;
	struct image_entry *i;
	struct image *known;

	file_key_of(&image_info(img)->file, &key);
	known = lookup(s, &key);
	image_put(known);
	i = known ? NULL : calloc(1, sizeof(*i));
	if (!i)
		return;
	i->key = key;
	i->img = image_ref(img);
	i->next = s->kept;
	s->kept = i;
	shrink(s);
}

struct image *images_find(struct images *s, int fd)
{
	struct file_key key;

	return file_key(fd, &key) ? lookup(s, &key) : NULL;
}

int images_add_stored(struct images *s, struct files *f, const char *path, const char *key,
		      struct err *e)
{
	struct file *file;
	char digest[65] = "";
	struct err why = {0};
	int rc = imagestore_digest(s->store, path + strlen(IMAGE_PREFIX), digest, &why);

	file = files_add(f, FILE_READ, digest, e);
	if (!file)
		return -ENOMEM;
	file->key = key;
	file->dirfd = imagestore_dir(s->store);
	file->rc = rc;
	file->err = why;
	return 0;
}

uint32_t images_window(const struct images *s)
{
	uint32_t most = 0;

	for (const struct image_entry *i = s->kept; i; i = i->next) {
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

/* A file that is being read, for all requests that wait for it. */
struct image_job {
	struct worker_job job;
	struct image_job *prev, *next;
	struct images *images;
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
	struct images *s = j->images;

	DL_DELETE(s->reads, j);
	if (j->rc == 0)
		keep(s, j->img);
	while (j->waits) {
		struct image_wait *w = j->waits;

		j->waits = w->next;
		w->fn(w->arg, j->img ? image_ref(j->img) : NULL, j->rc, &j->err);
		free(w);
	}
	image_put(j->img);
	file_close(s->conf.opener, FILE_READ, j->fd);
	free(j);
}

static struct image_job *new_job(struct images *s, int fd, const char *name, struct err *e)
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
	j->images = s;
	(void)file_key(fd, &j->key);
	(void)snprintf(j->name, sizeof(j->name), "%s", name);
	(void)snprintf(j->cache_dir, sizeof(j->cache_dir), "%s", s->conf.cache_dir);
	DL_APPEND(s->reads, j);
	opener_push(s->conf.opener, &j->job);
	return j;
}

int images_read(struct images *s, int fd, const char *name, image_read_fn *fn, void *arg,
		struct err *e)
{
	struct image_wait *w = malloc(sizeof(*w));
	struct image_wait **tail;
	struct image_job *j;
	struct file_key key;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	(void)file_key(fd, &key);
	DL_FOREACH(s->reads, j)
	if (memcmp(&j->key, &key, sizeof(key)) == 0)
		break;
	if (!j)
		j = new_job(s, fd, name, e);
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

bool images_busy(const struct images *s)
{
	return s->reads != NULL;
}

int images_load(struct images *s, int fd, const char *name, struct image **out, struct err *e)
{
	int rc = 0;

	*out = images_find(s, fd);
	if (!*out)
		rc = image_open(fd, name, s->conf.cache_dir, out, e);
	if (rc == 0)
		keep(s, *out);
	return rc;
}
