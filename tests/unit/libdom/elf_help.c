/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF images for tests. */
#include "tests/unit/libdom/elf_help.h"

#include <string.h>

#include <xenctrl.h>

#include <xen/elfnote.h>

#include "tests/unit/unit.h"

static void put(struct builder *b, const void *from, size_t n)
{
	assert_true(b->at + n <= ELF_ROOM);
	memcpy(b->file + b->at, from, n);
	b->at += n;
}

static void align(struct builder *b)
{
	b->at = (b->at + 7) & ~7ull;
}

static void note(struct builder *b, uint32_t type, const void *desc, uint32_t n)
{
	const uint32_t head[3] = {4, n, type};

	b->at = (b->at + 3) & ~3ull;
	put(b, head, sizeof(head));
	put(b, "Xen", 4);
	put(b, desc, n);
	b->at = (b->at + 3) & ~3ull;
}

void elf_text(struct builder *b, uint32_t type, const char *s)
{
	note(b, type, s, (uint32_t)strlen(s) + 1);
}

void elf_word(struct builder *b, uint32_t type, uint64_t value, uint32_t bytes)
{
	note(b, type, &value, bytes);
}

void elf_begin(struct builder *b, bool elf64)
{
	memset(b, 0, sizeof(*b));
	b->elf64 = elf64;
	b->at = b->notes = 512;
}

static void phdr(struct builder *b, uint32_t i, Elf64_Phdr p)
{
	Elf32_Phdr q = {.p_type = p.p_type,
			.p_flags = p.p_flags,
			.p_offset = (uint32_t)p.p_offset,
			.p_paddr = (uint32_t)p.p_paddr,
			.p_vaddr = (uint32_t)p.p_vaddr,
			.p_filesz = (uint32_t)p.p_filesz,
			.p_memsz = (uint32_t)p.p_memsz};

	memcpy(b->file + 64 + i * (b->elf64 ? sizeof(p) : sizeof(q)),
	       b->elf64 ? (void *)&p : (void *)&q, b->elf64 ? sizeof(p) : sizeof(q));
}

static void shdr(struct builder *b, Elf64_Shdr s)
{
	Elf32_Shdr t = {.sh_name = s.sh_name,
			.sh_type = s.sh_type,
			.sh_offset = (uint32_t)s.sh_offset,
			.sh_size = (uint32_t)s.sh_size};

	put(b, b->elf64 ? (void *)&s : (void *)&t, b->elf64 ? sizeof(s) : sizeof(t));
}

/* Headers around notes [512, at), and a section __xen_guest with `legacy` in it if given. */
void elf_end(struct builder *b, uint16_t machine, uint64_t paddr, uint64_t entry, enum place where,
	     const char *legacy)
{
	static const char names[] = "\0.note\0__xen_guest\0.shstrtab";
	uint64_t notes = b->at - b->notes;
	uint64_t legacy_at = b->at;
	uint64_t names_at;
	uint64_t sections;

	if (legacy)
		put(b, legacy, strlen(legacy) + 1);
	align(b);
	names_at = b->at;
	put(b, names, sizeof(names));
	align(b);
	sections = b->at;
	shdr(b, (Elf64_Shdr){.sh_type = SHT_NULL});
	shdr(b,
	     (Elf64_Shdr){.sh_name = 1,
			  .sh_type = where == IN_SECTION || where == IN_SEGMENT_AT_0 ? SHT_NOTE
										     : SHT_PROGBITS,
			  .sh_offset = b->notes,
			  .sh_size = notes});
	shdr(b, (Elf64_Shdr){.sh_name = legacy ? 7 : 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_offset = legacy_at,
			     .sh_size = legacy ? strlen(legacy) + 1 : 0});
	shdr(b, (Elf64_Shdr){.sh_name = 19,
			     .sh_type = SHT_STRTAB,
			     .sh_offset = names_at,
			     .sh_size = sizeof(names)});
	phdr(b, 0,
	     (Elf64_Phdr){.p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_offset = b->notes,
			  .p_paddr = paddr,
			  .p_filesz = 64,
			  .p_memsz = ELF_END - ELF_START});
	phdr(b, 1,
	     (Elf64_Phdr){.p_type = where == IN_SEGMENT || where == IN_SEGMENT_AT_0 ? PT_NOTE
										    : PT_NULL,
			  .p_offset = where == IN_SEGMENT_AT_0 ? 0 : b->notes,
			  .p_filesz = notes});
	if (b->elf64) {
		Elf64_Ehdr h = {.e_type = ET_EXEC,
				.e_machine = machine,
				.e_version = 1,
				.e_entry = entry,
				.e_phoff = 64,
				.e_shoff = sections,
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 2,
				.e_shentsize = sizeof(Elf64_Shdr),
				.e_shnum = 4,
				.e_shstrndx = 3};

		memcpy(b->file, &h, sizeof(h));
	} else {
		Elf32_Ehdr h = {.e_type = ET_EXEC,
				.e_machine = machine,
				.e_version = 1,
				.e_entry = (uint32_t)entry,
				.e_phoff = 64,
				.e_shoff = (uint32_t)sections,
				.e_phentsize = sizeof(Elf32_Phdr),
				.e_phnum = 2,
				.e_shentsize = sizeof(Elf32_Shdr),
				.e_shnum = 4,
				.e_shstrndx = 3};

		memcpy(b->file, &h, sizeof(h));
	}
	memcpy(b->file, ELFMAG, SELFMAG);
	b->file[EI_CLASS] = b->elf64 ? ELFCLASS64 : ELFCLASS32;
	b->file[EI_DATA] = ELFDATA2LSB;
	b->file[EI_VERSION] = 1;
}
