/* SPDX-License-Identifier: BSD-3-Clause */
/* Images that chaosd keeps: files named by content, and names for them. */
#ifndef CHAOS_ENGINE_IMAGESTORE_H
#define CHAOS_ENGINE_IMAGESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct images_conf;
struct imagestore;

#define IMAGE_NAME_MAX 128u
#define IMAGE_PREFIX   "image:" /* a kernel "image:web" is the image of that name */

/* 1 to IMAGE_NAME_MAX letters, digits and . _ + : -, not beginning with . or -. */
bool image_name_ok(const char *name);

struct stored_image {
	char name[IMAGE_NAME_MAX + 1];
	char digest[65]; /* SHA-256 of the file, hex */
	char guest_os[32];
	bool pv, pvh, noxs, linux_kernel;
	uint64_t bytes, min_kib, imported_ns;
};

/* What an import that was killed left goes, files that no name has, and names whose files are gone.
 * -EBUSY: another daemon uses the folder. */
int imagestore_open(const struct images_conf *conf, struct imagestore **out, struct err *e);
/* `ended`: no thread uses it any more; else it is left to those that do. NULL is fine. */
void imagestore_close(struct imagestore *s, bool ended);

/* In the order of names. */
void imagestore_each(const struct imagestore *s,
		     void (*fn)(const struct stored_image *i, void *arg), void *arg);
/* Copies, checks and names what `fd` holds, on the worker; a name that is there already is moved.
 * On success the fd is the store's, and the callback comes once, on the loop. */
typedef void image_import_fn(void *arg, int rc, const struct stored_image *i, const struct err *e);
int imagestore_import(struct imagestore *s, const char *name, int fd, image_import_fn *fn,
		      void *arg, struct err *e);
/* The name goes, and with the last one its file. The callback comes on the loop when that is on the
 * disk; with -errno it does not. */
typedef void image_rm_fn(void *arg, int rc, const struct err *e);
int imagestore_rm(struct imagestore *s, const char *name, image_rm_fn *fn, void *arg,
		  struct err *e);

/* --- room: images, and what others keep in the folder, have one quota --- */
void imagestore_set_quota(struct imagestore *s, uint64_t bytes); /* 0: none */
/* So many bytes more are kept there, or less, by others than images. */
void imagestore_count_others(struct imagestore *s, int64_t bytes);
/* Bytes that may still come; UINT64_MAX: no limit. */
uint64_t imagestore_room(const struct imagestore *s);
/* -ENOSPC; on the loop or a thread. */
int imagestore_full(const struct imagestore *s, struct err *e);

/* The file of an image's content: its name in the folder of images, and the folder. -ENOENT with
 * the reason. */
int imagestore_digest(const struct imagestore *s, const char *name, char digest[65], struct err *e);
int imagestore_dir(const struct imagestore *s);

#endif
