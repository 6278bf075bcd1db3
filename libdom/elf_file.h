/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the parser: the bytes of an image, and how many were examined. */
#ifndef CHAOS_LIBDOM_ELF_FILE_H
#define CHAOS_LIBDOM_ELF_FILE_H

#include <string.h>

#include "libdom/image_elf.h"

/* The file; all reads go through it. */
struct elf_file {
	const uint8_t *bytes;
	size_t size;
	uint64_t work; /* bytes examined so far */
	uint32_t notes;
	bool elf64;
};

/* Headers of both ELF classes in one structure. */
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

/* Counts `n` bytes that are about to be examined; -E2BIG if the same bytes were examined too
 * often. */
int elf_file_spend(struct elf_file *v, uint64_t n, struct err *e);

/* image_notes.c: reads notes in the ELF note format at [at, at + size). */
int notes_read(struct elf_file *v, uint64_t at, uint64_t size, struct elf_notes *n, struct err *e);
/* Reads notes from sections, for files whose program headers have no notes of Xen. */
int notes_read_sections(struct elf_file *v, const struct header *h, struct elf_notes *n,
			struct err *e);
/* Reads the section __xen_guest, which was used before notes; no effect if there is none. */
int notes_read_legacy(struct elf_file *v, const struct header *h, struct elf_notes *n,
		      struct err *e);

#endif
