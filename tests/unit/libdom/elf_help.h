/* SPDX-License-Identifier: BSD-3-Clause */
/* Small ELF images, made piece by piece: notes first, then elf_end(). */
#ifndef CHAOS_UNIT_ELF_HELP_H
#define CHAOS_UNIT_ELF_HELP_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_ROOM  8192u
#define ELF_START 0x100000u
#define ELF_END	  (ELF_START + 0x3000u)

struct builder {
	uint8_t file[ELF_ROOM];
	size_t at; /* the next free byte */
	bool elf64;
	uint32_t notes; /* where they begin */
};

/* How the notes are named. */
enum place { IN_SEGMENT, IN_SECTION, IN_SEGMENT_AT_0, NOWHERE };

void elf_begin(struct builder *b, bool elf64);
/* A note of Xen's: of a text, or of a number with so many bytes. */
void elf_text(struct builder *b, uint32_t type, const char *s);
void elf_word(struct builder *b, uint32_t type, uint64_t value, uint32_t bytes);
/* Headers around the notes, and a section __xen_guest with `legacy` in it if given. */
void elf_end(struct builder *b, uint16_t machine, uint64_t paddr, uint64_t entry, enum place where,
	     const char *legacy);

#endif
