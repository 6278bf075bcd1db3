/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed images, kept in memory for the next create, and read on threads. */
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
	struct opener *opener; /* its threads read images */
	const char *cache_dir; /* directory of unpacked kernels; not copied */
	const char *store_dir; /* directory of imported images; not copied */
	uint64_t quota;	       /* limit of all bytes in that directory; 0: none */
};

/* Also opens the store of images. */
int images_open(const struct images_conf *conf, struct images **out, struct err *e);
/* `ended`: no thread uses it any more. NULL is allowed. */
void images_close(struct images *s, bool ended);
/* The store; valid until images_close(). */
struct imagestore *images_store(struct images *s);

/* Returns a reference to the parsed image of the file fd, if the file has not changed since;
 * otherwise NULL. */
struct image *images_find(struct images *s, int fd);
/* Adds the file of an image whose path begins with IMAGE_PREFIX. */
int images_add_stored(struct images *s, struct files *f, const char *path, const char *key,
		      struct err *e);
/* Adds a path, or an image of the store, to the files to be opened; `key` is for messages. If
 * the image does not exist, that becomes the file's error. -ENOMEM. */
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
/* Number of pages in a Linux shell that the largest kernel in memory would fill. */
uint32_t images_window(const struct images *s);

/* Reads, unpacks and parses the file `fd` on a thread, once for all callers that request the
 * same file meanwhile. `fn` is called later on the loop, with a reference or an error; if this
 * returns -errno, it is not called. */
typedef void image_read_fn(void *arg, struct image *img, int rc, const struct err *e);
int images_read(struct images *s, int fd, const char *name, image_read_fn *fn, void *arg,
		struct err *e);
/* Whether images are being read. */
bool images_busy(const struct images *s);
/* Like images_read(), but returns when the image is read; for the time before the loop runs. */
int images_load(struct images *s, int fd, const char *name, struct image **out, struct err *e);

#endif
