/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed images kept for the next create: the same file, unchanged, is not read again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

void file_key(int fd, struct file_key *out)
{
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		to_key(&st, out);
	else
		memset(out, 0, sizeof(*out));
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

void images_keep(struct engine *en, struct image *img)
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
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	to_key(&st, &key);
	return lookup(en, &key);
}

int images_file(struct engine *en, const char *path, const char *key, struct err *e)
{
	int fd;

	if (strncmp(path, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0)
		return imagestore_file(en, path + strlen(IMAGE_PREFIX), e);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "%s \"%s\"", key, path);
	return fd;
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

bool images_is_small(int fd)
{
	struct stat st;

	return fd < 0 || (fstat(fd, &st) == 0 && st.st_size <= INLINE_FILE_BYTES);
}

int images_get(struct engine *en, int fd, const char *name, struct image **out, struct err *e)
{
	int rc;

	*out = images_find(en, fd);
	if (*out || !images_is_small(fd))
		return 0;
	rc = image_open(fd, name, en->conf.cache_dir, out, e);
	if (rc == 0)
		images_keep(en, *out);
	return rc;
}
