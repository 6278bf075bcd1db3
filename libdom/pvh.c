/* SPDX-License-Identifier: BSD-3-Clause */
/* PVH guests: tables or start information, first vCPU. Sources: Xen
 * public/arch-x86/hvm/start_info.h and hvm/save.h. */
#include <noxs/abi.h>

#include "libdom/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/hvm/e820.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "base/random.h"

/* The paging pool that Xen gives at creation: 256 pages, enough for this much memory in single
 * pages. */
#define POOL_DEFAULT_KIB (64u << 10)

#define MTRR_WRITE_BACK (6u | 1u << 11) /* default type write-back, MTRRs on */

uint64_t pvh_paging_pool(uint64_t mem_kib, uint32_t vcpus)
{
	uint64_t mib = (mem_kib + 1023) / 1024;

	if (mem_kib <= POOL_DEFAULT_KIB && vcpus == 1)
		return 0;
	/* The formula of other toolstacks: 1 MiB for each vCPU, and 8 KiB for each MiB of
	 * memory. */
	return ((uint64_t)vcpus * 1024 + mib * 8 + 1023) / 1024 << 20;
}

int pvh_tables(struct xen *x, struct dom *d, struct err *e)
{
	const struct dom_build *b = d->build;
	xen_pfn_t frames[16];
	void *at = NULL;
	uint32_t n = (uint32_t)b->l.tables.pages;
	int rc = xen_add_to_physmap(x, d->domid, XENMAPSPACE_shared_info, 0, b->l.shared_gfn);

	if (rc < 0)
		return err_sys(e, -rc, "place the shared info of domain %u", d->domid);
	for (uint64_t i = 0; i < b->l.grants.pages; i++) {
		rc = xen_add_to_physmap(x, d->domid, XENMAPSPACE_grant_table, i,
					b->l.grants.gfn + i);
		if (rc < 0)
			return err_sys(e, -rc, "place the grant table of domain %u", d->domid);
	}
	for (uint32_t i = 0; i < n; i++)
		frames[i] = b->l.tables.gfn + i;
	rc = xen_map(x, d->domid, true, n, frames, &at);
	if (rc < 0)
		return err_sys(e, -rc, "map page tables of domain %u", d->domid);
	tables_fill_pvh(at, &b->l);
	xen_unmap(x, at, n);
	return 0;
}

/* --- the standard entry --- */

/* RAM, the pages of store and console, the ACPI page. */
#define MAP_ENTRIES 3u

static void memory_map(const struct dom *d, struct e820entry map[MAP_ENTRIES])
{
	map[0] = (struct e820entry){0, d->max_pages * PAGE_BYTES, E820_RAM};
	map[1] = (struct e820entry){LAYOUT_PVH_ACPI_GFN * PAGE_BYTES, PAGE_BYTES, E820_ACPI};
	map[2] = (struct e820entry){
		LAYOUT_PVH_STORE_GFN * PAGE_BYTES,
		(LAYOUT_PVH_CONSOLE_GFN + 1 - LAYOUT_PVH_STORE_GFN) * PAGE_BYTES, E820_RESERVED};
}

/* One page with the structure, modules and map in it; the command line from the next page on. */
struct start_page {
	struct hvm_start_info info;
	struct hvm_modlist_entry mod[BUILD_MODULES_MAX];
	struct hvm_memmap_table_entry map[MAP_ENTRIES];
};

static int write_start_page(struct xen *x, const struct dom *d, const struct dom_load *load,
			    const struct build_module *mod, struct err *e)
{
	const struct layout *l = &d->build->l;
	uint64_t base = l->start.gfn * PAGE_BYTES;
	struct e820entry map[MAP_ENTRIES];
	struct start_page s;
	int rc;

	memset(&s, 0, sizeof(s));
	s.info.magic = XEN_HVM_START_MAGIC_VALUE;
	s.info.version = 1;
	s.info.nr_modules = load->nmodule;
	s.info.modlist_paddr = load->nmodule ? base + offsetof(struct start_page, mod) : 0;
	s.info.cmdline_paddr = *load->cmdline ? base + PAGE_BYTES : 0;
	s.info.rsdp_paddr = LAYOUT_PVH_ACPI_GFN * PAGE_BYTES;
	s.info.memmap_paddr = base + offsetof(struct start_page, map);
	s.info.memmap_entries = MAP_ENTRIES;
	for (uint32_t i = 0; i < load->nmodule; i++) {
		s.mod[i].paddr = mod[i].paddr;
		s.mod[i].size = mod[i].bytes;
	}
	memory_map(d, map);
	for (uint32_t i = 0; i < MAP_ENTRIES; i++)
		s.map[i] = (struct hvm_memmap_table_entry){
			.addr = map[i].addr, .size = map[i].size, .type = map[i].type};
	rc = xen_set_memory_map(x, d->domid, map, MAP_ENTRIES);
	if (rc < 0)
		return err_sys(e, -rc, "set the memory map of domain %u", d->domid);
	rc = build_write(x, d, l->start.gfn, &s, sizeof(s), e);
	if (rc == 0)
		rc = build_write(x, d, l->start.gfn + 1, load->cmdline, strlen(load->cmdline) + 1,
				 e);
	return rc;
}

/* Console, store and ACPI pages lie outside RAM. */
static int special_pages(struct xen *x, const struct dom *d, const struct image *img,
			 const struct dom_load *load, struct err *e)
{
	/* A guest that finds a store page uses it; without a store only noxs guests may find one
	 * (it is their device page). */
	bool store = load->store_port != 0 || img->info.noxs;
	xen_pfn_t gfns[] = {LAYOUT_PVH_ACPI_GFN, LAYOUT_PVH_STORE_GFN, LAYOUT_PVH_CONSOLE_GFN};
	const struct {
		uint32_t param;
		uint64_t value;
	} params[] = {
		{HVM_PARAM_STORE_PFN, store ? LAYOUT_PVH_STORE_GFN : 0},
		{HVM_PARAM_STORE_EVTCHN, load->store_port},
		{HVM_PARAM_CONSOLE_PFN, LAYOUT_PVH_CONSOLE_GFN},
		{HVM_PARAM_CONSOLE_EVTCHN, load->console_port},
	};
	uint8_t *acpi;
	int rc = xen_populate(x, d->domid, 3, 0, gfns);

	if (rc < 0)
		return err_sys(e, -rc, "populate the special pages of domain %u", d->domid);
	for (uint32_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		rc = xen_hvm_param_set(x, d->domid, params[i].param, params[i].value);
		if (rc < 0)
			return err_sys(e, -rc, "set HVM parameter %u of domain %u", params[i].param,
				       d->domid);
	}
	acpi = calloc(1, PAGE_BYTES);
	if (!acpi)
		return err_set(e, ENOMEM, "out of memory");
	(void)acpi_fill(acpi, LAYOUT_PVH_ACPI_GFN * PAGE_BYTES, d->vcpus);
	rc = random_bytes(acpi + ACPI_GENERATION_AT, ACPI_GENERATION_BYTES, "generation id", e);
	if (rc == 0)
		rc = build_write(x, d, LAYOUT_PVH_ACPI_GFN, acpi, PAGE_BYTES, e);
	free(acpi);
	return rc;
}

int pvh_load_standard(struct xen *x, struct dom *d, const struct image *img,
		      const struct dom_load *load, struct err *e)
{
	struct build_module mod[BUILD_MODULES_MAX] = {0};
	int rc = build_load_image(x, d, img, e);

	if (rc == 0)
		rc = build_load_modules(x, d, load, d->build->l.modules.gfn, mod, e);
	if (rc == 0)
		rc = special_pages(x, d, img, load, e);
	if (rc == 0)
		rc = write_start_page(x, d, load, mod, e);
	return rc;
}

/* --- the first vCPU --- */

struct context {
	struct hvm_save_descriptor header_d;
	HVM_SAVE_TYPE(HEADER) header;
	struct hvm_save_descriptor cpu_d;
	HVM_SAVE_TYPE(CPU) cpu;
	struct hvm_save_descriptor mtrr_d;
	HVM_SAVE_TYPE(MTRR) mtrr;
	struct hvm_save_descriptor end_d;
	HVM_SAVE_TYPE(END) end;
} __attribute__((packed));

/* These are the same for every guest of this host, so Xen is asked only once: header (CPU and
 * TSC facts) and MTRRs. */
static struct context host;
static int host_known; /* atomic */
static int host_busy;  /* atomic: one thread fills `host` */

static const void *find_record(const uint8_t *buf, uint32_t bytes, uint16_t type, uint32_t want)
{
	uint32_t at = 0;

	while (bytes - at >= sizeof(struct hvm_save_descriptor)) {
		struct hvm_save_descriptor d;

		memcpy(&d, buf + at, sizeof(d));
		at += (uint32_t)sizeof(d);
		if (d.length > bytes - at)
			return NULL;
		if (d.typecode == type)
			return d.length == want ? buf + at : NULL;
		at += d.length;
	}
	return NULL;
}

static struct hvm_save_descriptor describe(uint16_t type, uint32_t len)
{
	return (struct hvm_save_descriptor){.typecode = type, .length = len};
}

static int learn_host(struct xen *x, uint32_t domid, struct context *out, struct err *e)
{
	int size = xen_hvm_context_get(x, domid, NULL, 0);
	const void *header;
	const void *mtrr;
	uint8_t *buf;
	int rc;

	if (size < 0)
		return err_sys(e, -size, "read the size of the vCPU state of domain %u", domid);
	buf = calloc(1, (size_t)size);
	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	rc = xen_hvm_context_get(x, domid, buf, (uint32_t)size);
	if (rc < 0) {
		rc = err_sys(e, -rc, "read the vCPU state of domain %u", domid);
		goto out;
	}
	header = find_record(buf, (uint32_t)size, HVM_SAVE_CODE(HEADER), HVM_SAVE_LENGTH(HEADER));
	mtrr = find_record(buf, (uint32_t)size, HVM_SAVE_CODE(MTRR), HVM_SAVE_LENGTH(MTRR));
	if (!header || !mtrr) {
		rc = err_set(e, EPROTO, "this Xen's vCPU state has no HEADER or MTRR record");
		goto out;
	}
	memset(out, 0, sizeof(*out));
	out->header_d = describe(HVM_SAVE_CODE(HEADER), HVM_SAVE_LENGTH(HEADER));
	memcpy(&out->header, header, sizeof(out->header));
	out->mtrr_d = describe(HVM_SAVE_CODE(MTRR), HVM_SAVE_LENGTH(MTRR));
	memcpy(&out->mtrr, mtrr, sizeof(out->mtrr));
	out->mtrr.msr_mtrr_def_type = MTRR_WRITE_BACK;
	out->cpu_d = describe(HVM_SAVE_CODE(CPU), HVM_SAVE_LENGTH(CPU));
	out->end_d = describe(HVM_SAVE_CODE(END), 0);
	rc = 0;
out:
	free(buf);
	return rc;
}

/* Copies the host's part; asks Xen if no thread has stored it yet. */
static int host_context(struct xen *x, uint32_t domid, struct context *out, struct err *e)
{
	int rc;

	if (__atomic_load_n(&host_known, __ATOMIC_ACQUIRE)) {
		*out = host;
		return 0;
	}
	rc = learn_host(x, domid, out, e);
	if (rc == 0 && !__atomic_exchange_n(&host_busy, 1, __ATOMIC_ACQ_REL)) {
		host = *out;
		__atomic_store_n(&host_known, 1, __ATOMIC_RELEASE);
	}
	return rc;
}

int pvh_host_header(struct xen *x, uint32_t domid, void *header, struct err *e)
{
	struct context c;
	int rc = host_context(x, domid, &c, e);

	if (rc == 0)
		memcpy(header, &c.header, sizeof(c.header));
	return rc;
}

int pvh_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e)
{
	const struct dom_build *b = d->build;
	struct context c;
	int rc = host_context(x, d->domid, &c, e);

	if (rc < 0)
		return rc;
	c.cpu.cs_limit = c.cpu.ds_limit = c.cpu.es_limit = c.cpu.ss_limit = UINT32_MAX;
	c.cpu.tr_limit = 0x67;
	c.cpu.ds_arbytes = c.cpu.es_arbytes = c.cpu.ss_arbytes = 0xc93;
	c.cpu.tr_arbytes = 0x8b;
	c.cpu.rflags = 2;
	c.cpu.dr6 = 0xffff0ff0;
	c.cpu.dr7 = 0x400;
	if (b->direct) {
		c.cpu.cs_arbytes = 0xa9b; /* 64-bit code */
		c.cpu.cr0 = 0x80000011;	  /* PG, ET, PE */
		c.cpu.cr3 = b->l.tables.gfn * PAGE_BYTES;
		c.cpu.cr4 = 0x620;	/* PAE, OSFXSR, OSXMMEXCPT */
		c.cpu.msr_efer = 0x501; /* SCE, LME, LMA */
		c.cpu.rbx = b->l.dev_gfn * PAGE_BYTES;
		c.cpu.rip = c.cpu.rbx + offsetof(struct noxs_page, start);
	} else {
		c.cpu.cs_arbytes = 0xc9b; /* 32-bit code */
		c.cpu.cr0 = 0x11;	  /* ET, PE */
		c.cpu.rip = img->elf.notes.phys32_entry;
		c.cpu.rbx = b->l.start.gfn * PAGE_BYTES;
	}
	rc = xen_hvm_context_set(x, d->domid, &c, sizeof(c) - sizeof(c.end));
	if (rc < 0)
		return err_sys(e, -rc, "set the first vCPU of domain %u", d->domid);
	return 0;
}
