/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the builders share. */
#ifndef CHAOS_LIBDOM_BUILD_H
#define CHAOS_LIBDOM_BUILD_H

#include "base/clock.h"
#include "libdom/image.h"
#include "libdom/layout.h"

/* What a domain under construction needs in this process; dom_release() frees it. */
struct dom_build {
	struct layout l;
	bool direct;	  /* starts by the noxs entry */
	bool noxs;	  /* for the device page: little of Xen's tables, no balloon driver */
	bool empty;	  /* its memory is given later, by build_populate_run() */
	bool fits;	  /* its image was known, and checked, when it was prepared */
	bool for_linux;	  /* libxenguest will load it */
	bool libxenguest; /* built, vCPU state included, by libxenguest */
	uint64_t virt_base;
	uint64_t populated;
	xen_pfn_t *frame; /* PV: machine frame of each RAM page; PVH: NULL */
	uint64_t shared_mfn;
	uint32_t grant_frames; /* to be mapped for the guest */
};

/* The frame as xen_map() takes it. */
static inline xen_pfn_t build_frame(const struct dom_build *b, uint64_t gfn)
{
	return b->frame && gfn < b->l.pages ? b->frame[gfn] : gfn;
}

/* Where a page is mapped that stays so; NULL: it is not. */
static inline uint8_t *build_mapped(const struct dom *d, uint64_t gfn)
{
	if (d->window && gfn - d->window_gfn < d->window_pages)
		return d->window + (gfn - d->window_gfn) * PAGE_BYTES;
	if (d->window && gfn - d->page_table_gfn < d->window_tables)
		return d->window + (d->window_pages + gfn - d->page_table_gfn) * PAGE_BYTES;
	return gfn == d->control_gfn ? d->control : NULL;
}

/* PVH: where RAM stops below 4 GiB; what does not fit goes on at 4 GiB. */
#define BUILD_MMIO_START 0xf0000000ull
#define BUILD_GIB4	 (4ull << 30)

/* Where Linux kernels lie in guest memory: at 16 MiB. */
#define BUILD_LINUX_GFN 0x1000u

/* Adds the time since *since to a phase and starts the next one. */
static inline void build_lap(struct dom *d, enum dom_phase p, uint64_t *since)
{
	uint64_t now = clock_ns();

	d->phase_ns[p] += (uint32_t)(now - *since);
	*since = now;
}

/* Where the image ends in guest memory, in bytes. */
static inline uint64_t build_image_end(const struct image *img, enum dom_type type)
{
	return type == DOM_PV ? img->elf.end - img->elf.notes.paddr_offset : img->elf.end;
}

/* libdom/fit.c: checks what is asked for, with the image if it is known (NULL: it is not), makes
 * d->build, and lays a noxs guest out; nothing of it is in Xen yet. */
int build_begin(struct dom *d, const struct dom_spec *s, const struct image *img, struct err *e);
/* A layout for an image (NULL: for none yet) with what comes beside it; -ENOSPC:
 * *need is the number of pages that would be enough. */
int build_plan(const struct image *img, enum dom_type type, uint64_t pages, uint64_t mod_bytes,
	       uint32_t cmdline_bytes, uint32_t rings, struct layout *l, uint64_t *need,
	       struct err *e);
/* Whether an image can run in a domain of this type and size. */
int build_check_image(const struct image *img, enum dom_type type, uint64_t mem_kib, uint32_t vcpus,
		      struct err *e);

/* libdom/create.c: the domain in Xen, with vCPUs, limits and scheduling, and no memory yet. */
int build_create(struct xen *x, struct dom *d, const struct dom_spec *s, uint64_t *since,
		 struct err *e);

/* libdom/memory.c: all of RAM, in the largest extents that are aligned and to be had. Guest frames
 * are [0, pages), for Linux in a PVH container with the hole that libxenguest wants. A PVH guest
 * that may grow has the frames [0, max_pages), which get their pages on demand: at its start it
 * sees all of them as free memory, until its balloon driver has taken what is beyond `pages`. (A PV
 * guest knows which of its frames have pages.) */
int build_populate(struct xen *x, struct dom *d, struct err *e);
/* Of one that is `empty`: these of its frames. */
int build_populate_run(struct xen *x, struct dom *d, uint64_t gfn, uint64_t pages, struct err *e);
/* PV: the memory map, which is of the guest as it may become. */
int build_memory_map_pv(struct xen *x, const struct dom *d, struct err *e);
/* Maps up to BUILD_MAP_MAX pages from `gfn` on. */
#define BUILD_MAP_MAX 128u
int build_map(struct xen *x, const struct dom *d, uint64_t gfn, uint32_t n, void **out,
	      struct err *e);
/* Copies len bytes to the start of guest frame `gfn`, a bounded number of pages mapped at a time;
 * the rest of the last page is zeroed. */
int build_write(struct xen *x, const struct dom *d, uint64_t gfn, const void *from, uint64_t len,
		struct err *e);
/* libdom/load.c: puts segments and hypercall page in place, and zeroes what of their pages, bss
 * foremost, the file does not fill. */
int build_load_image(struct xen *x, const struct dom *d, const struct image *img, struct err *e);
/* Bytes of all modules, each rounded up to pages; -errno with a message. */
int build_module_bytes(const struct dom_load *load, uint64_t *out, struct err *e);
/* Loads them one behind the other from `gfn` on; first byte and length of each go to at[]. */
struct build_module {
	uint64_t paddr, bytes;
};
int build_load_modules(struct xen *x, const struct dom *d, const struct dom_load *load,
		       uint64_t gfn, struct build_module *at, struct err *e);
#define BUILD_MODULES_MAX 16u

/* libdom/rings.c: makes the ring pages empty rings and grants them to dom0. */
int build_rings(struct xen *x, struct dom *d, struct err *e);

/* libdom/pv.c */
int pv_tables(struct xen *x, struct dom *d, struct err *e);
int pv_load_standard(struct xen *x, struct dom *d, const struct image *img,
		     const struct dom_load *load, struct err *e);
/* img is not looked at, and may be NULL, when the domain starts by a noxs entry. */
int pv_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);

/* libdom/pvh.c */
int pvh_tables(struct xen *x, struct dom *d, struct err *e);
int pvh_load_standard(struct xen *x, struct dom *d, const struct image *img,
		      const struct dom_load *load, struct err *e);
int pvh_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);
/* The HEADER record (struct hvm_save_header) of this host. */
int pvh_host_header(struct xen *x, uint32_t domid, void *header, struct err *e);
/* Bytes of the paging pool a PVH guest needs, 0 for "what Xen gives at creation is enough". */
uint64_t pvh_paging_pool(uint64_t mem_kib, uint32_t vcpus);

/* libdom/acpi.c: the tables a PVH kernel needs to find its local APICs, in one zeroed page that
 * will lie at `base`; returns the bytes used. */
uint32_t acpi_fill(uint8_t *page, uint64_t base, uint32_t vcpus);
/* Where in this page the number lies that is another one in each copy of the guest. */
#define ACPI_GENERATION_AT    4064u
#define ACPI_GENERATION_BYTES 16u

/* libdom/linux.c: the libxenguest path, all of load and arm in one. */
int linux_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *load,
	       struct err *e);
/* PVH: the memory map that linux_load() gives. */
int linux_memory_map(struct xen *x, const struct dom *d, struct err *e);

#endif
