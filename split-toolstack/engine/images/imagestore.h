/* SPDX-License-Identifier: BSD-3-Clause */
/* Images that chaosd stores: files named by content, and their names. */
#ifndef CHAOS_ENGINE_IMAGESTORE_H
#define CHAOS_ENGINE_IMAGESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct images_conf;
struct imagestore;

#define IMAGE_NAME_MAX 128u
#define IMAGE_PREFIX   "image:" /* the kernel "image:web" means the image with the name "web" */

/* 1 to IMAGE_NAME_MAX letters, digits and . _ + : -, not beginning with . or -. */
bool image_name_ok(const char *name);

struct stored_image {
	char name[IMAGE_NAME_MAX + 1];
	char digest[65]; /* SHA-256 of the file, hex */
	char guest_os[32];
	bool pv, pvh, noxs, linux_kernel;
	uint64_t bytes, min_kib, imported_ns;
};

/* Opens the store and removes leftovers of a killed daemon: incomplete imports, files without a
 * name, and names without a file. -EBUSY: another daemon uses the folder. */
int imagestore_open(const struct images_conf *conf, struct imagestore **out, struct err *e);
/* `ended`: no thread uses it any more; otherwise it is not freed. NULL is allowed. */
void imagestore_close(struct imagestore *s, bool ended);

/* The image behind this name, which need not be there, in the order of names; "": the first. False:
 * there is none. */
bool imagestore_next(const struct imagestore *s, const char *after, struct stored_image *out);
/* Copies and checks the file `fd` and gives it the name, on the worker; an existing name is
 * moved to it. On success the store closes the fd, and the callback is called once, on the loop. */
typedef void image_import_fn(void *arg, int rc, const struct stored_image *i, const struct err *e);
int imagestore_import(struct imagestore *s, const char *name, int fd, image_import_fn *fn,
		      void *arg, struct err *e);
/* Removes a name, and the file with its last name. The callback is called on the loop when that
 * is on the disk; if this returns -errno, it is not called. */
typedef void image_rm_fn(void *arg, int rc, const struct err *e);
int imagestore_rm(struct imagestore *s, const char *name, image_rm_fn *fn, void *arg,
		  struct err *e);

/* --- disk space: one quota for images and for other files in the folder --- */
void imagestore_set_quota(struct imagestore *s, uint64_t bytes); /* 0: no limit */
/* Other files in the folder have grown, or shrunk, by so many bytes. */
void imagestore_count_others(struct imagestore *s, int64_t bytes);
/* Bytes that may still be added; UINT64_MAX: no limit. */
uint64_t imagestore_room(const struct imagestore *s);
/* Sets the error for a full quota, -ENOSPC; on the loop or a thread. */
int imagestore_full(const struct imagestore *s, struct err *e);

/* The file name of an image's content, and the folder. -ENOENT with the reason. */
int imagestore_digest(const struct imagestore *s, const char *name, char digest[65], struct err *e);
int imagestore_dir(const struct imagestore *s);

#endif
