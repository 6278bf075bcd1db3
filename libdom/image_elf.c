/* SPDX-License-Identifier: BSD-3-Clause */
/* The ELF and note parser: every offset and size is checked against the file before use. */
#include "libdom/image_elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/elfnote.h>

#define NOXS_OWNER "noxs"
#define NOXS_TYPE  1u

/* A view of the file; all reads go through it. */
struct view {
	const uint8_t *bytes;
	size_t size;
};

static bool inside(const struct view *v, uint64_t offset, uint64_t len)
{
	return offset <= v->size && len <= v->size - offset;
}

static uint64_t number(const uint8_t *at, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size); /* x86: little-endian as the file */
	return value;
}

bool elf_is(const uint8_t *file, size_t bytes)
{
	return bytes >= EI_NIDENT && memcmp(file, ELFMAG, SELFMAG) == 0;
}

/* --- headers of both classes, brought to one shape --- */

struct header {
	uint64_t entry, phoff, shoff;
	uint16_t machine, phentsize, phnum, shentsize, shnum;
};

static int read_header(const struct view *v, bool elf64, struct header *h, struct err *e)
{
	if (elf64) {
		Elf64_Ehdr eh;

		if (!inside(v, 0, sizeof(eh)))
			return err_set(e, ENOEXEC, "the ELF header is cut off");
		memcpy(&eh, v->bytes, sizeof(eh));
		*h = (struct header){eh.e_entry,     eh.e_phoff, eh.e_shoff,	 eh.e_machine,
				     eh.e_phentsize, eh.e_phnum, eh.e_shentsize, eh.e_shnum};
	} else {
		Elf32_Ehdr eh;

		if (!inside(v, 0, sizeof(eh)))
			return err_set(e, ENOEXEC, "the ELF header is cut off");
		memcpy(&eh, v->bytes, sizeof(eh));
		*h = (struct header){eh.e_entry,     eh.e_phoff, eh.e_shoff,	 eh.e_machine,
				     eh.e_phentsize, eh.e_phnum, eh.e_shentsize, eh.e_shnum};
	}
	if (h->machine != (elf64 ? EM_X86_64 : EM_386))
		return err_set(e, ENOEXEC, "an ELF file for machine %u, not for x86", h->machine);
	if (h->phnum == 0)
		return err_set(e, ENOEXEC,
			       "the ELF file has no program headers (not an executable)");
	if (h->phentsize != (elf64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
	    !inside(v, h->phoff, (uint64_t)h->phnum * h->phentsize))
		return err_set(e, ENOEXEC, "the ELF program headers lie outside the file");
	return 0;
}

static void read_program(const struct view *v, bool elf64, uint64_t at, Elf64_Phdr *out)
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

/* --- notes --- */

static void copy_text(char *to, size_t room, const uint8_t *from, uint32_t len)
{
	size_t n = 0;

	while (n < len && n + 1 < room && from[n] >= 0x20 && from[n] < 0x7f) {
		to[n] = (char)from[n];
		n++;
	}
	to[n] = '\0';
}

static int xen_note(struct elf_notes *n, uint32_t type, const uint8_t *desc, uint32_t len,
		    struct err *e)
{
	bool numeric = len == 4 || len == 8;
	uint64_t value = numeric ? number(desc, len) : 0;

	n->any = true;
	switch (type) {
	case XEN_ELFNOTE_GUEST_OS:
		copy_text(n->guest_os, sizeof(n->guest_os), desc, len);
		return 0;
	case XEN_ELFNOTE_XEN_VERSION:
		copy_text(n->xen_version, sizeof(n->xen_version), desc, len);
		return 0;
	case XEN_ELFNOTE_ENTRY:
	case XEN_ELFNOTE_HYPERCALL_PAGE:
	case XEN_ELFNOTE_VIRT_BASE:
	case XEN_ELFNOTE_PADDR_OFFSET:
	case XEN_ELFNOTE_INIT_P2M:
	case XEN_ELFNOTE_MOD_START_PFN:
	case XEN_ELFNOTE_PHYS32_ENTRY:
		if (!numeric)
			return err_set(e, EINVAL, "Xen note %u has %u bytes, not a number", type,
				       len);
		break;
	default:
		return 0;
	}
	if (type == XEN_ELFNOTE_ENTRY) {
		n->entry = value;
		n->have_entry = true;
	} else if (type == XEN_ELFNOTE_HYPERCALL_PAGE) {
		n->hypercall_page = value;
		n->have_hypercall_page = true;
	} else if (type == XEN_ELFNOTE_VIRT_BASE) {
		n->virt_base = value;
		n->have_virt_base = true;
	} else if (type == XEN_ELFNOTE_PADDR_OFFSET) {
		n->paddr_offset = value;
	} else if (type == XEN_ELFNOTE_INIT_P2M) {
		n->init_p2m = value;
	} else if (type == XEN_ELFNOTE_MOD_START_PFN) {
		n->mod_start_pfn = value != 0;
	} else {
		if (value > UINT32_MAX)
			return err_set(e, EINVAL, "the PVH entry 0x%llx is above 4 GiB",
				       (unsigned long long)value);
		n->phys32_entry = (uint32_t)value;
		n->have_phys32_entry = true;
	}
	return 0;
}

static int noxs_note(struct elf_notes *n, const uint8_t *desc, uint32_t len, struct err *e)
{
	if (len != 16)
		return err_set(e, EINVAL, "the noxs note has %u bytes instead of 16", len);
	if (number(desc + 4, 4) != 0)
		return err_set(e, EINVAL, "the noxs note's reserved bytes are not zero");
	n->noxs_min = (uint16_t)number(desc, 2);
	n->noxs_max = (uint16_t)number(desc + 2, 2);
	n->noxs_entry = number(desc + 8, 8);
	if (n->noxs_min == 0 || n->noxs_min > n->noxs_max)
		return err_set(e, EINVAL, "the noxs note asks for ABI versions %u to %u",
			       n->noxs_min, n->noxs_max);
	n->have_noxs = true;
	return 0;
}

static bool owner_is(const uint8_t *name, uint32_t len, const char *want)
{
	return len == strlen(want) + 1 && memcmp(name, want, len) == 0;
}

static int read_notes(const struct view *v, uint64_t at, uint64_t size, struct elf_notes *n,
		      struct err *e)
{
	uint64_t end = at + size;

	if (!inside(v, at, size))
		return err_set(e, EINVAL, "the ELF notes lie outside the file");
	while (end - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		uint64_t name = at + sizeof(h);
		uint64_t desc;
		uint64_t next;
		int rc = 0;

		memcpy(&h, v->bytes + at, sizeof(h));
		desc = name + (((uint64_t)h.n_namesz + 3) & ~3ull);
		next = desc + (((uint64_t)h.n_descsz + 3) & ~3ull);
		if (desc > end || h.n_descsz > end - desc)
			return err_set(e, EINVAL, "an ELF note is longer than its section");
		if (owner_is(v->bytes + name, h.n_namesz, "Xen"))
			rc = xen_note(n, h.n_type, v->bytes + desc, h.n_descsz, e);
		else if (owner_is(v->bytes + name, h.n_namesz, NOXS_OWNER) && h.n_type == NOXS_TYPE)
			rc = noxs_note(n, v->bytes + desc, h.n_descsz, e);
		if (rc < 0)
			return rc;
		if (next >= end)
			break;
		at = next;
	}
	return 0;
}

/* Notes that no program header names: some linkers leave them in sections alone. */
static int read_note_sections(const struct view *v, bool elf64, const struct header *h,
			      struct elf_notes *n, struct err *e)
{
	if (h->shnum == 0 || h->shentsize != (elf64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) ||
	    !inside(v, h->shoff, (uint64_t)h->shnum * h->shentsize))
		return 0;
	for (uint32_t i = 0; i < h->shnum; i++) {
		const uint8_t *at = v->bytes + h->shoff + (uint64_t)i * h->shentsize;
		uint64_t offset;
		uint64_t size;
		int rc;

		if (number(at + offsetof(Elf64_Shdr, sh_type), 4) != SHT_NOTE)
			continue;
		offset = elf64 ? number(at + offsetof(Elf64_Shdr, sh_offset), 8)
			       : number(at + offsetof(Elf32_Shdr, sh_offset), 4);
		size = elf64 ? number(at + offsetof(Elf64_Shdr, sh_size), 8)
			     : number(at + offsetof(Elf32_Shdr, sh_size), 4);
		rc = read_notes(v, offset, size, n, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- segments --- */

static int add_segment(const struct view *v, const Elf64_Phdr *p, struct elf_image *out,
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
		return err_set(e, ENOEXEC, "nothing to load: no segments");
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

int elf_parse(const uint8_t *file, size_t bytes, struct elf_image *out, struct err *e)
{
	struct view v = {file, bytes};
	struct header h = {0};
	int rc;

	memset(out, 0, sizeof(*out));
	if (!elf_is(file, bytes))
		return err_set(e, ENOEXEC, "not an ELF file");
	out->elf64 = file[EI_CLASS] == ELFCLASS64;
	if ((!out->elf64 && file[EI_CLASS] != ELFCLASS32) || file[EI_DATA] != ELFDATA2LSB)
		return err_set(e, ENOEXEC, "an ELF file of an unknown class or byte order");
	rc = read_header(&v, out->elf64, &h, e);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < h.phnum && rc == 0; i++) {
		Elf64_Phdr p;

		read_program(&v, out->elf64, h.phoff + (uint64_t)i * h.phentsize, &p);
		if (p.p_type == PT_LOAD)
			rc = add_segment(&v, &p, out, e);
		else if (p.p_type == PT_NOTE)
			rc = read_notes(&v, p.p_offset, p.p_filesz, &out->notes, e);
	}
	if (rc == 0)
		rc = order_segments(out, e);
	if (rc == 0 && !out->notes.any)
		rc = read_note_sections(&v, out->elf64, &h, &out->notes, e);
	if (rc < 0)
		return rc;
	if (!out->notes.any)
		return err_set(e, ENOEXEC, "an ELF file without Xen notes: not a Xen guest");
	if (!out->notes.have_entry)
		out->notes.entry = h.entry;
	return 0;
}
