/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of an image that the builders use. */
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
	uint8_t hypercall_page[2][4096]; /* by enum dom_type; to be copied into the guest */
	uint64_t min_kib[2]; /* by enum dom_type: image_min_kib() without modules; 0: not known */
};

_Static_assert(offsetof(struct image, info) == offsetof(struct image_head, info) &&
		       offsetof(struct image, refs) == offsetof(struct image_head, refs),
	       "an image begins with its head");

/* Reads all of `fd`, from position 0, into malloced memory. -ENOMEM, before anything is read, if
 * a large file would leave the host with too little memory. */
int image_read_fd(int fd, uint8_t **out, size_t *bytes, struct err *e);

/* --- image_cache.c --- */
void image_digest_of(const void *data, size_t bytes, char hex[65]); /* SHA-256 */
/* True for a bzImage or a compressed kernel, which image_open() must unpack. */
bool image_is_packed(const uint8_t *file, size_t bytes);
/* A kernel that was just unpacked; its file is kept if it is a usable kernel. */
struct unpacked {
	char temp[512]; /* path of its file; empty: nothing to keep */
	char path[512];
};
/* Replaces the packed kernel in *file by the ELF file inside, from the cache or by a confined
 * child process. After success image_unpacked() must be called. */
int image_unpack(uint8_t **file, size_t *bytes, const char *cache_dir, struct unpacked *u,
		 struct err *e);
void image_unpacked(struct unpacked *u, bool keep);

/* --- confined_unpack.c --- */
/* Limits of the unpacking child; see also UNPACK_MEMORY, and IMAGE_MAX_BYTES for its file. */
#define UNPACK_CPU_SECONDS 120u /* xz under emulation needs ten */
#define UNPACK_SECONDS	   600u /* elapsed time, for hosts with busy CPUs */
struct packed;
/* In a child process: unpacks into the empty file `fd` and parses the result. 0: the child
 * reports an ELF file of a Xen guest; the caller must not rely on that. -E2BIG, -ENOMEM,
 * -ETIMEDOUT, -ENOSPC at a limit; -ENOEXEC damaged or not a kernel. Blocks; one child runs at a
 * time. */
int confined_unpack(const uint8_t *file, const struct packed *p, int fd, struct err *e);

#endif
