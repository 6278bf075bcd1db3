/* SPDX-License-Identifier: BSD-3-Clause */
/* What the builders see of an image. */
#ifndef CHAOS_LIBDOM_IMAGE_H
#define CHAOS_LIBDOM_IMAGE_H

#include "libdom/image_elf.h"
#include "libdom/libdom.h"

struct image {
	struct image_info info; /* this and refs: as in struct image_head */
	uint32_t refs;
	struct elf_image elf;
	uint8_t *file; /* the whole file; Linux: the unpacked ELF kernel */
	size_t bytes;
	uint8_t hypercall_page[2][4096]; /* by enum dom_type; ready to copy */
	uint64_t min_kib[2]; /* likewise: of image_min_kib() without modules; 0: not known */
};

_Static_assert(offsetof(struct image, info) == offsetof(struct image_head, info) &&
		       offsetof(struct image, refs) == offsetof(struct image_head, refs),
	       "an image begins with its head");

/* Reads all of `fd` from position 0 into malloced memory. -ENOMEM, before anything is read, when
 * the host has less memory to spare than a large file takes. */
int image_read_fd(int fd, uint8_t **out, size_t *bytes, struct err *e);

/* --- image_cache.c --- */
void image_digest_of(const void *data, size_t bytes, char hex[65]); /* SHA-256 */
/* True for a bzImage or a compressed kernel, which image_open() must unpack. */
bool image_is_packed(const uint8_t *file, size_t bytes);
/* A kernel that was unpacked just now: it is kept when it was recognised. */
struct unpacked {
	char temp[512]; /* its file; empty: nothing to keep */
	char path[512];
};
/* Replaces the packed kernel in *file by the ELF inside, from the cache or by a confined child.
 * On success image_unpacked() must follow. */
int image_unpack(uint8_t **file, size_t *bytes, const char *cache_dir, struct unpacked *u,
		 struct err *e);
void image_unpacked(struct unpacked *u, bool keep);

/* --- confine.c --- */
/* What an unpacking child may take: see UNPACK_MEMORY, and IMAGE_MAX_BYTES for its file. */
#define UNPACK_CPU_SECONDS 120u /* under emulation xz takes ten */
#define UNPACK_SECONDS	   600u /* in all, when others have the CPU */
struct packed;
/* Unpacks into the empty file `fd` and parses what comes out, all in the child. 0: a Xen guest's
 * ELF, as far as the child can be believed. -E2BIG, -ENOMEM, -ETIMEDOUT, -ENOSPC at a limit;
 * -ENOEXEC damaged or no kernel. Blocks; children run one at a time. */
int confined_unpack(const uint8_t *file, const struct packed *p, int fd, struct err *e);

#endif
