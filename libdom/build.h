/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the builders. */
#ifndef CHAOS_LIBDOM_BUILD_H
#define CHAOS_LIBDOM_BUILD_H

#include "base/clock.h"
#include "libdom/image.h"
#include "libdom/layout.h"

/* What a domain under construction needs in this process; freed by dom_release(). */
struct dom_build {
	struct layout l;
	bool direct;	  /* starts at the noxs entry */
	bool noxs;	  /* gets a device page: small limits of Xen's tables, no balloon driver */
	bool empty;	  /* memory is given later, by build_populate_run() */
	bool fits;	  /* the image was known and checked in dom_prepare() */
	bool for_linux;	  /* libxenguest will load it */
	bool libxenguest; /* built, vCPU state included, by libxenguest */
	uint64_t virt_base;
	uint64_t populated;
	xen_pfn_t *frame; /* PV: machine frame of each RAM page; PVH: NULL */
	uint64_t shared_mfn;
};

/* The frame in the form that xen_map() takes. */
static inline xen_pfn_t build_frame(const struct dom_build *b, uint64_t gfn)
{
	return b->frame && gfn < b->l.pages ? b->frame[gfn] : gfn;
}

/* Address of a page that stays mapped; NULL: it is not mapped. */
static inline uint8_t *build_mapped(const struct dom *d, uint64_t gfn)
{
	if (d->window && gfn - d->window_gfn < d->window_pages)
		return d->window + (gfn - d->window_gfn) * PAGE_BYTES;
	if (d->window && gfn - d->page_table_gfn < d->window_tables)
		return d->window + (d->window_pages + gfn - d->page_table_gfn) * PAGE_BYTES;
	return gfn == d->control_gfn ? d->control : NULL;
}

/* PVH: RAM below 4 GiB ends here; further RAM starts at 4 GiB. */
#define BUILD_MMIO_START 0xf0000000ull
#define BUILD_GIB4	 (4ull << 30)

/* Linux kernels are loaded at 16 MiB of guest memory. */
#define BUILD_LINUX_GFN 0x1000u

/* Adds the time since *since to a phase, and sets *since to now. */
static inline void build_lap(struct dom *d, enum dom_phase p, uint64_t *since)
{
	uint64_t now = clock_ns();

	d->phase_ns[p] += (uint32_t)(now - *since);
	*since = now;
}

/* End of the image in guest memory, in bytes. */
static inline uint64_t build_image_end(const struct image *img, enum dom_type type)
{
	return type == DOM_PV ? img->elf.end - img->elf.notes.paddr_offset : img->elf.end;
}

/* libdom/fit.c: checks the spec, and the image if it is known (otherwise NULL); allocates
 * d->build and makes the layout of a noxs guest. Nothing is done in Xen yet. */
int build_begin(struct dom *d, const struct dom_spec *s, const struct image *img, struct err *e);
/* Makes the layout for an image (NULL: not known yet) with its modules and command line.
 * -ENOSPC: *need is the number of pages that would be enough. */
int build_plan(const struct image *img, enum dom_type type, uint64_t pages, uint64_t mod_bytes,
	       uint32_t cmdline_bytes, uint32_t rings, struct layout *l, uint64_t *need,
	       struct err *e);
/* Whether an image can run in a domain of this type and size. */
int build_check_image(const struct image *img, enum dom_type type, uint64_t mem_kib, uint32_t vcpus,
		      struct err *e);

/* libdom/create.c: creates the domain in Xen, with vCPUs, limits and scheduling parameters,
 * without memory. */
int build_create(struct xen *x, struct dom *d, const struct dom_spec *s, uint64_t *since,
		 struct err *e);

/* libdom/memory.c: gives the domain all of its RAM, in the largest aligned extents that Xen has.
 * Guest frames are [0, pages); for a PVH guest with Linux there is the hole that libxenguest
 * needs. A PVH guest that may grow has the frames [0, max_pages), which get pages on demand:
 * when it starts, it sees all of them as free memory, until its balloon driver has taken those
 * beyond `pages`. (A PV guest knows which of its frames have pages.) */
int build_populate(struct xen *x, struct dom *d, struct err *e);
/* Gives pages to these frames of a domain that is `empty`. */
int build_populate_run(struct xen *x, struct dom *d, uint64_t gfn, uint64_t pages, struct err *e);
/* PV: sets the memory map, which includes the memory that the guest may grow to. */
int build_memory_map_pv(struct xen *x, const struct dom *d, struct err *e);
/* Maps up to BUILD_MAP_MAX pages, from `gfn` on. */
#define BUILD_MAP_MAX 128u
int build_map(struct xen *x, const struct dom *d, uint64_t gfn, uint32_t n, void **out,
	      struct err *e);
/* Copies len bytes to the start of guest frame `gfn`, and zeroes the rest of the last page. At
 * most BUILD_MAP_MAX pages are mapped at a time. */
int build_write(struct xen *x, const struct dom *d, uint64_t gfn, const void *from, uint64_t len,
		struct err *e);
/* libdom/load.c: copies the segments and the hypercall page, and zeroes the bytes of their pages
 * that the file does not fill, for example bss. */
int build_load_image(struct xen *x, const struct dom *d, const struct image *img, struct err *e);
/* Bytes of all modules, each rounded up to pages; -errno with a message. */
int build_module_bytes(const struct dom_load *load, uint64_t *out, struct err *e);
/* Loads the modules one after the other, from `gfn` on; at[] gets the address and length of
 * each. */
struct build_module {
	uint64_t paddr, bytes;
};
int build_load_modules(struct xen *x, const struct dom *d, const struct dom_load *load,
		       uint64_t gfn, struct build_module *at, struct err *e);
#define BUILD_MODULES_MAX 16u

/* libdom/rings.c: initialises the ring pages and grants them to dom0. */
int build_rings(struct xen *x, struct dom *d, struct err *e);

/* libdom/pv.c */
int pv_tables(struct xen *x, struct dom *d, struct err *e);
int pv_load_standard(struct xen *x, struct dom *d, const struct image *img,
		     const struct dom_load *load, struct err *e);
/* img is not used, and may be NULL, if the domain starts at a noxs entry. */
int pv_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);

/* libdom/pvh.c */
int pvh_tables(struct xen *x, struct dom *d, struct err *e);
int pvh_load_standard(struct xen *x, struct dom *d, const struct image *img,
		      const struct dom_load *load, struct err *e);
int pvh_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);
/* The HEADER record (struct hvm_save_header) of this host. */
int pvh_host_header(struct xen *x, uint32_t domid, void *header, struct err *e);
/* Bytes of the paging pool that a PVH guest needs; 0: what Xen gives at creation is enough. */
uint64_t pvh_paging_pool(uint64_t mem_kib, uint32_t vcpus);

/* libdom/acpi.c: writes the tables in which a PVH kernel finds its local APICs into one zeroed
 * page that will be at `base`. Returns the bytes used. */
uint32_t acpi_fill(uint8_t *page, uint64_t base, uint32_t vcpus);
/* Offset in this page of the number that differs in each copy of the guest. */
#define ACPI_GENERATION_AT    4064u
#define ACPI_GENERATION_BYTES 16u

/* libdom/linux.c: loads and arms a guest with libxenguest. */
int linux_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *load,
	       struct err *e);
/* PVH: sets the same memory map as linux_load(). */
int linux_memory_map(struct xen *x, const struct dom *d, struct err *e);

#endif
