/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF images with Xen notes, parsed from bytes that are not trusted. Pure: no file, no Xen. */
#ifndef CHAOS_LIBDOM_IMAGE_ELF_H
#define CHAOS_LIBDOM_IMAGE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ELF_SEGMENTS_MAX 128
/* Notes of all owners that are read, as many as Xen's own loader reads. */
#define ELF_NOTES_MAX 65536u
/* Parsing looks at no more bytes than this for a file of so many: each a few times. */
#define ELF_WORK_MAX(bytes) (4 * (uint64_t)(bytes) + 65536)
/* Segments end below this guest-physical address, whatever the size of the guest. */
#define ELF_ADDRESS_MAX (1ull << 40)

/* One PT_LOAD; in image order, ascending by paddr and not overlapping after elf_parse(). */
struct elf_segment {
	uint64_t paddr;	 /* as the file says; PV guests sit at paddr - paddr_offset */
	uint64_t offset; /* in the file; offset + filesz lies inside */
	uint64_t filesz;
	uint64_t memsz; /* >= filesz, > 0 */
};

struct elf_notes {
	bool any;    /* at least one note of the owner "Xen", or the section __xen_guest */
	bool legacy; /* the latter */
	bool have_entry, have_hypercall_page, have_virt_base, have_paddr_offset, have_init_p2m;
	bool have_phys32_entry, have_noxs;
	uint64_t entry;		 /* ENTRY, else e_entry */
	uint64_t hypercall_page; /* virtual address */
	uint64_t virt_base;	 /* else 0 */
	uint64_t paddr_offset;	 /* else 0, and with __xen_guest virt_base */
	uint64_t init_p2m;
	uint32_t phys32_entry;
	uint16_t noxs_min, noxs_max;
	uint32_t noxs_flags;
	uint64_t noxs_entry;
	bool mod_start_pfn; /* XEN_ELFNOTE_MOD_START_PFN: modules by frame, need not be mapped */
	bool needs_dom0;    /* asks for a feature that only dom0 has ... */
	char needs[32];	    /* ... or for this one, which Xen does not know */
	char guest_os[32];  /* printable, as the next ones */
	char xen_version[16];
	char loader[16];
};

struct elf_image {
	bool elf64;
	bool x86_64; /* its machine, in a file of either class; else i386 */
	uint32_t nsegment;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	uint64_t start, end; /* guest-physical bytes, from the first to the last segment */
	uint64_t work;	     /* bytes looked at: ELF_WORK_MAX() at most */
	struct elf_notes notes;
};

/* True when the bytes begin like an ELF file. */
bool elf_is(const uint8_t *file, size_t bytes);

/* Checks the file and fills `out`. -ENOEXEC not usable, -EINVAL broken; `e` says which part. */
int elf_parse(const uint8_t *file, size_t bytes, struct elf_image *out, struct err *e);

/*
 * libdom/image_start.c: whether Xen's standard entries start it, by the rules of Xen's own loader
 * (Xen public/elfnote.h; libelf). 0, or -ENOEXEC, -EINVAL with the reason.
 */
int elf_check_pv(const struct elf_image *img, struct err *e);
int elf_check_pvh(const struct elf_image *img, struct err *e);

#endif
