/* SPDX-License-Identifier: BSD-3-Clause */
/* Parses ELF images with Xen notes from untrusted bytes. No side effects: no files, no Xen. */
#ifndef CHAOS_LIBDOM_IMAGE_ELF_H
#define CHAOS_LIBDOM_IMAGE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ELF_SEGMENTS_MAX 128
/* Maximal number of notes that are read, of all names; the same as in Xen's own loader. */
#define ELF_NOTES_MAX 65536u
/* Maximal number of bytes that the parser examines in a file of `bytes` bytes; each may be
 * examined a few times. */
#define ELF_WORK_MAX(bytes) (4 * (uint64_t)(bytes) + 65536)
/* Segments end below this guest-physical address, whatever the size of the guest. */
#define ELF_ADDRESS_MAX (1ull << 40)

/* A PT_LOAD segment. After elf_parse() they ascend by paddr and do not overlap. */
struct elf_segment {
	uint64_t paddr;	 /* as in the file; PV guests are loaded at paddr - paddr_offset */
	uint64_t offset; /* in the file; offset + filesz is within the file */
	uint64_t filesz;
	uint64_t memsz; /* >= filesz, > 0 */
};

struct elf_notes {
	bool any;    /* there is a note with the name "Xen", or the section __xen_guest */
	bool legacy; /* it is the section */
	bool have_entry, have_hypercall_page, have_virt_base, have_paddr_offset, have_init_p2m;
	bool have_phys32_entry, have_noxs;
	uint64_t entry;		 /* ENTRY, else e_entry */
	uint64_t hypercall_page; /* virtual address */
	uint64_t virt_base;	 /* 0 if there is no such note */
	uint64_t paddr_offset;	 /* 0 if there is no such note; with __xen_guest virt_base */
	uint64_t init_p2m;
	uint32_t phys32_entry;
	uint16_t noxs_min, noxs_max;
	uint32_t noxs_flags;
	uint64_t noxs_entry;
	bool mod_start_pfn; /* XEN_ELFNOTE_MOD_START_PFN: modules are given by frame, and need not
			       be mapped */
	bool needs_dom0;    /* it needs a feature that only dom0 has ... */
	char needs[32];	    /* ... or this feature, which Xen does not know */
	char guest_os[32];  /* printable, as the next ones */
	char xen_version[16];
	char loader[16];
};

struct elf_image {
	bool elf64;
	bool x86_64; /* x86-64 code, in a file of either class; otherwise i386 */
	uint32_t nsegment;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	uint64_t start, end; /* guest-physical bytes, from the first to the last segment */
	uint64_t work;	     /* bytes examined, at most ELF_WORK_MAX() */
	struct elf_notes notes;
};

/* True when the bytes begin like an ELF file. */
bool elf_is(const uint8_t *file, size_t bytes);

/* Checks the file and fills `out`. -ENOEXEC: not usable, -EINVAL: broken; `e` names the part. */
int elf_parse(const uint8_t *file, size_t bytes, struct elf_image *out, struct err *e);

/* libdom/image_start.c: whether Xen's standard entries can start it, by the rules of Xen's own
 * loader (Xen public/elfnote.h; libelf). 0, or -ENOEXEC, -EINVAL with the reason. */
int elf_check_pv(const struct elf_image *img, struct err *e);
int elf_check_pvh(const struct elf_image *img, struct err *e);

#endif
