/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed images, kept for the next create, and read away from the loop. */
#ifndef CHAOS_ENGINE_IMAGES_H
#define CHAOS_ENGINE_IMAGES_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/imagestore.h"

struct images;

struct images_conf {
	struct opener *opener; /* whose threads read */
	const char *cache_dir; /* unpacked kernels; not copied */
	const char *store_dir; /* imported images; likewise */
	uint64_t quota;	       /* bytes of all that is kept there; 0: no limit */
};

/* Opens the store of images, too. */
int images_open(const struct images_conf *conf, struct images **out, struct err *e);
/* `ended`: no thread uses it any more. NULL is fine. */
void images_close(struct images *s, bool ended);
/* The store, for as long as the images are open. */
struct imagestore *images_store(struct images *s);

/* A reference to the parsed image behind fd when the file is as it was then, else NULL. */
struct image *images_find(struct images *s, int fd);
/* Of one whose path begins with IMAGE_PREFIX. */
int images_add_stored(struct images *s, struct files *f, const char *path, const char *key,
		      struct err *e);
/* Puts a path, or an image of the store, to the files to be opened; `key` is for the message. An
 * image that is not there is an error of the file. -ENOMEM. */
static inline int images_add(struct images *s, struct files *f, const char *path, const char *key,
			     struct err *e)
{
	struct file *file;

	if (strncmp(path, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0)
		return images_add_stored(s, f, path, key, e);
	file = files_add(f, FILE_READ, path, e);
	if (!file)
		return -ENOMEM;
	file->key = key;
	return 0;
}
/* Pages of a Linux shell that the largest kernel in the cache would fill. */
uint32_t images_window(const struct images *s);

/* Reads, unpacks and parses what is behind `fd` away from the loop; once for all that ask for the
 * same file meanwhile. `fn` is called later, on the loop, with a reference or an error. -errno: it
 * is not called. */
typedef void image_read_fn(void *arg, struct image *img, int rc, const struct err *e);
int images_read(struct images *s, int fd, const char *name, image_read_fn *fn, void *arg,
		struct err *e);
/* Some are being read. */
bool images_busy(const struct images *s);
/* The same as images_read() at once, before the loop runs. */
int images_load(struct images *s, int fd, const char *name, struct image **out, struct err *e);

#endif
