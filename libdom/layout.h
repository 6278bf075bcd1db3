/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory layout of a guest of chaos' own builder. Only computes guest frames. */
#ifndef CHAOS_LIBDOM_LAYOUT_H
#define CHAOS_LIBDOM_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "libdom/libdom.h"

#define PAGE_BYTES 4096ull

/* PVH guests of this builder end below the local APIC and the special pages that PVH has under 4
 * GiB. */
#define LAYOUT_PVH_MAX_PAGES 0xf0000ull
/* Frames after memory that the page tables of a PVH guest also map, for special pages. */
#define LAYOUT_PVH_SLACK 64u

/* PVH with the standard entry: pages outside of RAM, at the same places as with other
 * toolstacks. */
#define LAYOUT_PVH_STORE_GFN   0xfeffcull
#define LAYOUT_PVH_CONSOLE_GFN 0xfefffull
#define LAYOUT_PVH_ACPI_GFN    0xfc000ull

struct layout_in {
	enum dom_type type;
	bool direct;		/* starts at the noxs entry; otherwise at the standard entry */
	uint64_t pages;		/* RAM is [0, pages) */
	uint64_t virt_base;	/* PV: virtual address of gfn 0 */
	uint64_t image_end;	/* first guest-physical byte after the image; 0 for a shell */
	uint64_t mod_bytes;	/* all modules, each rounded up to pages */
	uint32_t cmdline_bytes; /* with its NUL; standard PVH */
	uint32_t ring_pages;	/* direct: for rings of devices */
	uint32_t grant_frames;	/* direct: pages of the grant table to be mapped */
};

/* A run of guest frames. */
struct layout_run {
	uint64_t gfn;
	uint64_t pages;
};

struct layout {
	uint64_t pages;
	uint64_t image_end_gfn;
	struct layout_run modules; /* standard entries */
	struct layout_run p2m;	   /* standard PV */
	struct layout_run start;   /* start_info, or hvm_start_info with memory map and text */
	struct layout_run tables;  /* page tables of the builder */
	struct layout_run stack;   /* standard PV: boot stack */
	uint64_t dev_gfn;	   /* device page or store ring */
	uint64_t control_gfn;	   /* control page or console ring */
	struct layout_run rings;   /* direct: of devices */
	uint64_t shared_gfn;	   /* direct: shared info page; standard: not used (0) */
	struct layout_run grants;  /* direct: the grant table, after the shared info page */
	uint64_t mapped;	   /* PV: pages from VIRT_BASE on that the tables map, RAM only */
	uint32_t levels[4];	   /* PV: number of tables of level 4, 3, 2, 1 */
};

/* 0; -ENOSPC: it does not fit, and *need is the number of pages that would be enough; -EINVAL:
 * no size would be enough; `e` has the reason. */
int layout_make(const struct layout_in *in, struct layout *out, uint64_t *need, struct err *e);

#define LAYOUT_NO_FRAME UINT64_MAX /* the page table entry of this page stays empty */

/* Writes page tables into `t`: the builder's table pages, mapped contiguously; they are zeroed
 * first. frame[i] is the machine frame of RAM page i; `shared_mfn` the frame of the shared info
 * page (0: not mapped), grant_mfn[] the frames of the grant table (l->grants.pages of them). */
void tables_fill_pv(uint64_t *t, const struct layout *l, uint64_t virt_base, const uint64_t *frame,
		    uint64_t shared_mfn, const uint64_t *grant_mfn);
/* PVH: 1:1 page tables with 2 MiB pages. */
void tables_fill_pvh(uint64_t *t, const struct layout *l);

/* Writes a hypercall page (4096 bytes). Sources: the calling conventions of Xen
 * public/arch-x86/xen-x86_64.h (PV: syscall clobbers rcx and r11) and AMD's vmmcall, Intel's
 * vmcall (PVH). */
void hypercall_page_fill(uint8_t *page, enum dom_type type, bool amd);
/* True on AMD and Hygon CPUs, which use vmmcall instead of vmcall. */
bool cpu_is_amd(void);

#endif
