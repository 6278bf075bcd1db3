/* SPDX-License-Identifier: BSD-3-Clause */
/* The ELF and note parser: every offset and size is checked against the file before use. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdom/elf_file.h"

int elf_file_spend(struct elf_file *v, uint64_t n, struct err *e)
{
	v->work += n;
	if (v->work <= ELF_WORK_MAX(v->size))
		return 0;
	return err_set(e, E2BIG, "its headers name the same notes again and again");
}

bool elf_is(const uint8_t *file, size_t bytes)
{
	return bytes >= EI_NIDENT && memcmp(file, ELFMAG, SELFMAG) == 0;
}

/* --- headers of both classes, brought to one shape --- */

static int read_header(struct elf_file *v, struct header *h, struct err *e)
{
	uint64_t sections;

	if (v->elf64) {
		Elf64_Ehdr eh;

		if (!inside(v, 0, sizeof(eh)))
			return err_set(e, ENOEXEC, "the ELF header is cut off");
		memcpy(&eh, v->bytes, sizeof(eh));
		*h = (struct header){eh.e_entry,     eh.e_phoff,     eh.e_shoff,
				     eh.e_machine,   eh.e_phentsize, eh.e_phnum,
				     eh.e_shentsize, eh.e_shnum,     eh.e_shstrndx};
	} else {
		Elf32_Ehdr eh;

		if (!inside(v, 0, sizeof(eh)))
			return err_set(e, ENOEXEC, "the ELF header is cut off");
		memcpy(&eh, v->bytes, sizeof(eh));
		*h = (struct header){eh.e_entry,     eh.e_phoff,     eh.e_shoff,
				     eh.e_machine,   eh.e_phentsize, eh.e_phnum,
				     eh.e_shentsize, eh.e_shnum,     eh.e_shstrndx};
	}
	/* Accepts both machines in both classes: 64-bit kernels that start at a 32-bit entry are
	 * often in 32-bit files. */
	if (h->machine != EM_X86_64 && h->machine != EM_386)
		return err_set(e, ENOEXEC, "an ELF file for machine %u, not for x86", h->machine);
	if (h->phnum == 0)
		return err_set(e, ENOEXEC,
			       "the ELF file has no program headers (not an executable)");
	if (h->phentsize != (v->elf64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
	    !inside(v, h->phoff, (uint64_t)h->phnum * h->phentsize))
		return err_set(e, ENOEXEC, "the ELF program headers lie outside the file");
	sections = (uint64_t)h->shnum * h->shentsize;
	if (!inside(v, h->shoff, sections))
		return err_set(e, ENOEXEC,
			       "the ELF section headers lie outside the file (is it cut off?)");
	return elf_file_spend(v, (uint64_t)h->phnum * h->phentsize, e);
}

static void read_program(const struct elf_file *v, bool elf64, uint64_t at, Elf64_Phdr *out)
{
	Elf32_Phdr p;

	if (elf64) {
		memcpy(out, v->bytes + at, sizeof(*out));
		return;
	}
	memcpy(&p, v->bytes + at, sizeof(p));
	*out = (Elf64_Phdr){.p_type = p.p_type,
			    .p_flags = p.p_flags,
			    .p_offset = p.p_offset,
			    .p_vaddr = p.p_vaddr,
			    .p_paddr = p.p_paddr,
			    .p_filesz = p.p_filesz,
			    .p_memsz = p.p_memsz};
}

/* --- segments --- */

static int add_segment(const struct elf_file *v, const Elf64_Phdr *p, struct elf_image *out,
		       struct err *e)
{
	if (p->p_memsz == 0)
		return 0;
	if (out->nsegment == ELF_SEGMENTS_MAX)
		return err_set(e, ENOEXEC, "more than %d segments to load", ELF_SEGMENTS_MAX);
	if (p->p_filesz > p->p_memsz)
		return err_set(e, EINVAL, "segment %u is larger in the file than in memory",
			       out->nsegment);
	if (!inside(v, p->p_offset, p->p_filesz))
		return err_set(e, EINVAL, "segment %u lies outside the file (is it cut off?)",
			       out->nsegment);
	if (p->p_paddr >= ELF_ADDRESS_MAX || p->p_memsz > ELF_ADDRESS_MAX - p->p_paddr)
		return err_set(e, EINVAL, "segment %u outside memory: 0x%llx bytes at 0x%llx",
			       out->nsegment, (unsigned long long)p->p_memsz,
			       (unsigned long long)p->p_paddr);
	out->segment[out->nsegment++] = (struct elf_segment){
		.paddr = p->p_paddr,
		.offset = p->p_offset,
		.filesz = p->p_filesz,
		.memsz = p->p_memsz,
	};
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct elf_segment *x = a;
	const struct elf_segment *y = b;

	return (x->paddr > y->paddr) - (x->paddr < y->paddr);
}

static int order_segments(struct elf_image *img, struct err *e)
{
	const struct elf_segment *last;

	if (img->nsegment == 0)
		return err_set(e, ENOEXEC, "the ELF file has nothing to load");
	qsort(img->segment, img->nsegment, sizeof(img->segment[0]), by_address);
	for (uint32_t i = 1; i < img->nsegment; i++) {
		const struct elf_segment *a = &img->segment[i - 1];

		if (a->paddr + a->memsz > img->segment[i].paddr)
			return err_set(e, EINVAL, "segments overlap at 0x%llx",
				       (unsigned long long)img->segment[i].paddr);
	}
	last = &img->segment[img->nsegment - 1];
	img->start = img->segment[0].paddr;
	img->end = last->paddr + last->memsz;
	return 0;
}

/* Segments without any permission are not loaded, unless no segment of the file has one. */
static bool has_rights(const struct elf_file *v, const struct header *h)
{
	for (uint32_t i = 0; i < h->phnum; i++) {
		Elf64_Phdr p;

		read_program(v, v->elf64, h->phoff + (uint64_t)i * h->phentsize, &p);
		if (p.p_type == PT_LOAD && (p.p_flags & (PF_R | PF_W | PF_X)))
			return true;
	}
	return false;
}

static int read_programs(struct elf_file *v, const struct header *h, struct elf_image *out,
			 struct err *e)
{
	uint32_t rights = has_rights(v, h) ? PF_R | PF_W | PF_X : 0;
	int rc = 0;

	for (uint32_t i = 0; i < h->phnum && rc == 0; i++) {
		Elf64_Phdr p;

		read_program(v, v->elf64, h->phoff + (uint64_t)i * h->phentsize, &p);
		if (p.p_type == PT_LOAD && (!rights || (p.p_flags & rights)))
			rc = add_segment(v, &p, out, e);
		else if (p.p_type == PT_NOTE && p.p_offset != 0) /* 0: a linker's fault */
			rc = notes_read(v, p.p_offset, p.p_filesz, &out->notes, e);
	}
	return rc;
}

static int parse(struct elf_file *v, struct elf_image *out, struct err *e)
{
	struct header h = {0};
	int rc = read_header(v, &h, e);

	if (rc == 0)
		rc = read_programs(v, &h, out, e);
	if (rc == 0)
		rc = order_segments(out, e);
	/* Some linkers leave notes in sections alone. */
	if (rc == 0 && !out->notes.any)
		rc = notes_read_sections(v, &h, &out->notes, e);
	if (rc == 0 && !out->notes.any)
		rc = notes_read_legacy(v, &h, &out->notes, e);
	if (rc < 0)
		return rc;
	if (!out->notes.any)
		return err_set(e, ENOEXEC, "an ELF file without Xen notes: not a Xen guest");
	out->x86_64 = h.machine == EM_X86_64;
	if (!out->notes.have_entry)
		out->notes.entry = h.entry;
	return 0;
}

int elf_parse(const uint8_t *file, size_t bytes, struct elf_image *out, struct err *e)
{
	struct elf_file v = {.bytes = file, .size = bytes};
	int rc;

	memset(out, 0, sizeof(*out));
	if (!elf_is(file, bytes))
		return err_set(e, ENOEXEC, "not an ELF file");
	v.elf64 = file[EI_CLASS] == ELFCLASS64;
	if ((!v.elf64 && file[EI_CLASS] != ELFCLASS32) || file[EI_DATA] != ELFDATA2LSB)
		return err_set(e, ENOEXEC, "an ELF file of an unknown class or byte order");
	rc = parse(&v, out, e);
	out->elf64 = v.elf64;
	out->work = v.work;
	return rc;
}
