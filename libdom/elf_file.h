/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parser's files share: an image's bytes, and what looking at them has cost. */
#ifndef CHAOS_LIBDOM_ELF_FILE_H
#define CHAOS_LIBDOM_ELF_FILE_H

#include <string.h>

#include "libdom/image_elf.h"

/* The file; all reads go through it. */
struct elf_file {
	const uint8_t *bytes;
	size_t size;
	uint64_t work; /* bytes looked at so far */
	uint32_t notes;
	bool elf64;
};

/* Of both classes, brought to one shape. */
struct header {
	uint64_t entry, phoff, shoff;
	uint16_t machine, phentsize, phnum, shentsize, shnum, shstrndx;
};

static inline bool inside(const struct elf_file *v, uint64_t offset, uint64_t len)
{
	return offset <= v->size && len <= v->size - offset;
}

static inline uint64_t number(const uint8_t *at, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size); /* x86: little-endian as the file */
	return value;
}

/* Accounts for `n` bytes that are about to be looked at; -E2BIG when the same bytes of the file are
 * looked at again and again. */
int elf_file_spend(struct elf_file *v, uint64_t n, struct err *e);

/* image_notes.c: notes of the ELF note format at [at, at + size). */
int notes_read(struct elf_file *v, uint64_t at, uint64_t size, struct elf_notes *n, struct err *e);
/* The notes of sections, for files whose program headers name none of Xen's. */
int notes_read_sections(struct elf_file *v, const struct header *h, struct elf_notes *n,
			struct err *e);
/* The section __xen_guest, which came before notes; nothing when there is none. */
int notes_read_legacy(struct elf_file *v, const struct header *h, struct elf_notes *n,
		      struct err *e);

#endif
