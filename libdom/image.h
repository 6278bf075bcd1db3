/* SPDX-License-Identifier: BSD-3-Clause */
/* What the builders see of an image. */
#ifndef CHAOS_LIBDOM_IMAGE_H
#define CHAOS_LIBDOM_IMAGE_H

#include "libdom/image_elf.h"
#include "libdom/libdom.h"

struct image {
	uint32_t refs; /* atomic: workers hold references */
	struct image_info info;
	struct elf_image elf;
	uint8_t *file; /* the whole file; Linux: the unpacked ELF kernel */
	size_t bytes;
	uint8_t hypercall_page[2][4096]; /* by enum dom_type; ready to copy */
};

/* Reads all of `fd` from position 0 into malloced memory. */
int image_read_fd(int fd, uint8_t **out, size_t *bytes, struct err *e);

/* libdom/unpack.c: true for a bzImage or a compressed kernel, which image_open() must unpack. */
bool image_is_packed(const uint8_t *file, size_t bytes);
/* Replaces the packed kernel in *file by the ELF inside, from the cache or by a confined child. */
int image_unpack(uint8_t **file, size_t *bytes, const char *cache_dir, struct err *e);

#endif
