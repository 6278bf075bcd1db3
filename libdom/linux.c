/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux with libxenguest: the calls that build PV and PVH kernels without libxl. Source:
 * xenguest.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "base/random.h"
#include "libdom/build.h"

/* The special pages libxenguest places (X86_HVM_* in its sources). */
#define SPECIAL_PAGES 8u
#define SPECIAL_END   0xff000u

struct linux_build {
	struct xc_dom_image *dom;
	uint8_t *ramdisk;
	uint64_t ramdisk_bytes; /* as libxenguest puts it into the guest */
	uint8_t *acpi;
	struct e820entry map[4];
	uint32_t entries;
	struct xc_dom_phys window; /* of the shell's, what the kernel covers */
};

/* libxenguest sets at best an errno; naming the step helps more. */
static int err_of_step(int rc, const char *what, struct err *e)
{
	if (rc == 0)
		return 0;
	if (errno == ENOMEM)
		return err_set(e, ENOMEM, "not enough memory to %s", what);
	return err_sys(e, errno ? errno : EINVAL, "libxenguest could not %s", what);
}

static int describe(struct linux_build *b, const struct dom *d, const struct image *img,
		    const struct dom_load *load, struct err *e)
{
	struct xc_dom_image *dom = b->dom;
	uint64_t bytes = d->max_pages * PAGE_BYTES;

	dom->container_type = d->type == DOM_PVH ? XC_DOM_HVM_CONTAINER : XC_DOM_PV_CONTAINER;
	dom->flags = 0;
	dom->max_vcpus = d->vcpus;
	dom->console_evtchn = load->console_port;
	dom->xenstore_evtchn = load->store_port;
	dom->console_domid = 0;
	dom->xenstore_domid = 0;
	if (d->type == DOM_PVH) {
		dom->device_model = false;
		dom->target_pages = d->pages;
		dom->mmio_start = BUILD_MMIO_START;
		dom->mmio_size = BUILD_GIB4 - BUILD_MMIO_START;
		dom->lowmem_end = bytes < BUILD_MMIO_START ? bytes : BUILD_MMIO_START;
		dom->highmem_end =
			bytes < BUILD_MMIO_START ? 0 : BUILD_GIB4 + bytes - BUILD_MMIO_START;
		b->acpi = calloc(1, PAGE_BYTES);
		if (!b->acpi)
			return err_set(e, ENOMEM, "out of memory");
		(void)acpi_fill(b->acpi, LAYOUT_PVH_ACPI_GFN * PAGE_BYTES, d->vcpus);
		if (random_bytes(b->acpi + ACPI_GENERATION_AT, ACPI_GENERATION_BYTES,
				 "generation id", e) < 0)
			return -EIO;
		dom->acpi_modules[0].data = b->acpi;
		dom->acpi_modules[0].length = (uint32_t)PAGE_BYTES;
		dom->acpi_modules[0].guest_addr_out = LAYOUT_PVH_ACPI_GFN * PAGE_BYTES;
	}
	return err_of_step(xc_dom_kernel_mem(dom, img->file, img->bytes), "read the kernel", e);
}

/* libxenguest unpacks what gzip packed, by the length in its last bytes. */
static uint64_t loaded_bytes(const uint8_t *ramdisk, size_t bytes)
{
	uint32_t unpacked;

	if (bytes < 18 || ramdisk[0] != 0x1f || ramdisk[1] != 0x8b)
		return bytes;
	memcpy(&unpacked, ramdisk + bytes - sizeof(unpacked), sizeof(unpacked));
	return unpacked > bytes && unpacked <= XC_DOM_DECOMPRESS_MAX ? unpacked : bytes;
}

static int add_ramdisk(struct linux_build *b, const struct dom_load *load, struct err *e)
{
	size_t bytes;
	int rc;

	if (load->nmodule == 0)
		return 0;
	if (load->nmodule > 1)
		return err_set(e, EINVAL, "%u modules: Linux takes one ramdisk", load->nmodule);
	rc = image_read_fd(load->module[0].fd, &b->ramdisk, &bytes, e);
	if (rc < 0)
		return err_wrap(e, rc, "ramdisk \"%s\"", load->module[0].name);
	b->ramdisk_bytes = loaded_bytes(b->ramdisk, bytes);
	return err_of_step(xc_dom_module_mem(b->dom, b->ramdisk, bytes, NULL), "read the ramdisk",
			   e);
}

static uint32_t memory_map(const struct dom *d, struct e820entry map[4])
{
	uint64_t special = (uint64_t)(SPECIAL_END - SPECIAL_PAGES) * PAGE_BYTES;
	uint64_t bytes = d->max_pages * PAGE_BYTES;
	uint64_t low = bytes < BUILD_MMIO_START ? bytes : BUILD_MMIO_START;
	uint32_t n = 0;

	map[n++] = (struct e820entry){0, low, E820_RAM};
	map[n++] = (struct e820entry){LAYOUT_PVH_ACPI_GFN * PAGE_BYTES, PAGE_BYTES, E820_ACPI};
	map[n++] = (struct e820entry){special, SPECIAL_PAGES * PAGE_BYTES, E820_RESERVED};
	if (bytes > low)
		map[n++] = (struct e820entry){BUILD_GIB4, bytes - low, E820_RAM};
	return n;
}

static int set_memory_map(struct xen *x, const struct dom *d, const struct e820entry *map,
			  uint32_t n, struct err *e)
{
	int rc = xen_set_memory_map(x, d->domid, map, n);

	return rc < 0 ? err_sys(e, -rc, "set the memory map of domain %u", d->domid) : 0;
}

int linux_memory_map(struct xen *x, const struct dom *d, struct err *e)
{
	struct e820entry map[4];

	return set_memory_map(x, d, map, memory_map(d, map), e);
}

static int give_memory_map(struct xen *x, struct linux_build *b, const struct dom *d, struct err *e)
{
	int rc;

	b->entries = memory_map(d, b->map);
	rc = set_memory_map(x, d, b->map, b->entries, e);
	if (rc < 0)
		return rc;
	b->dom->e820 = b->map;
	b->dom->e820_entries = b->entries;
	return 0;
}

/* libxenguest would allocate the guest's memory itself (xc_dom_boot_mem_init). A shell has its
 * memory already, so libxenguest is given the existing pages, in the way of Mini-OS' kexec. */
static int set_memory_size(struct linux_build *b, const struct dom *d, struct err *e)
{
	struct xc_dom_image *dom = b->dom;

	dom->p2m_size = d->type == DOM_PV  ? d->pages
			: dom->highmem_end ? dom->highmem_end / PAGE_BYTES
					   : d->max_pages;
	if (d->type == DOM_PVH)
		return 0;
	dom->pv_p2m = xc_dom_malloc(dom, d->pages * sizeof(*dom->pv_p2m));
	if (!dom->pv_p2m)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(dom->pv_p2m, d->build->frame, d->pages * sizeof(*dom->pv_p2m));
	return 0;
}

/* A kernel in the shell's window need not be mapped: libxenguest finds it in its list of
 * mappings. Only the pages of the kernel are passed, because libxenguest unmaps page tables
 * before it pins them. */
static void lend_window(struct linux_build *b, const struct dom *d)
{
	struct xc_dom_image *dom = b->dom;
	uint64_t base = xc_dom_virt_base(dom);
	uint64_t start = dom->kernel_seg.vstart - (base == UINT64_MAX ? 0 : base);
	uint64_t bytes = dom->kernel_seg.vend - dom->kernel_seg.vstart;
	uint64_t gfn = start / PAGE_BYTES;
	uint64_t n = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	if (!d->window || start % PAGE_BYTES || gfn < d->window_gfn || n > d->window_pages ||
	    gfn - d->window_gfn > d->window_pages - n)
		return;
	b->window = (struct xc_dom_phys){.next = dom->phys_pages,
					 .ptr = d->window + (gfn - d->window_gfn) * PAGE_BYTES,
					 .first = gfn,
					 .count = n};
	dom->phys_pages = &b->window;
}

/* Called before libxenguest unmaps its mappings. A PV kernel makes page tables from its own
 * pages at once; these must not be mapped here at that time. */
static void take_window_back(struct xen *x, struct linux_build *b, struct dom *d)
{
	struct xc_dom_phys **at = &b->dom->phys_pages;

	while (*at && *at != &b->window)
		at = &(*at)->next;
	if (*at)
		*at = b->window.next;
	if (d->type == DOM_PV)
		dom_window_close(x, d);
}

/* If kernel and ramdisk could not be loaded: the memory that they need, if that is the reason. */
static int not_loaded(const struct linux_build *b, const struct dom *d, const struct image *img,
		      int rc, struct err *e)
{
	uint64_t need = image_min_kib(img, d->type, d->vcpus, b->ramdisk_bytes);

	if (rc == 0 || d->pages * 4 >= need)
		return rc;
	return err_set(e, EINVAL,
		       "memory %llu MiB is too small for kernel and ramdisk of %llu MiB: at "
		       "least %llu MiB are needed",
		       (unsigned long long)d->pages >> 8,
		       (unsigned long long)(b->ramdisk_bytes + (1 << 20) - 1) >> 20,
		       (unsigned long long)(need + 1023) >> 10);
}

static int build(struct xen *x, struct linux_build *b, struct dom *d, const struct image *img,
		 struct err *e)
{
	struct xc_dom_image *dom = b->dom;
	bool pv = d->type == DOM_PV;
	int rc = err_of_step(xc_dom_boot_xen_init(dom, xen_xc(x), d->domid),
			     "begin to build the domain", e);

	if (rc == 0)
		rc = err_of_step(xc_dom_parse_image(dom), "parse the kernel", e);
	if (rc == 0)
		rc = err_of_step(
			xc_dom_mem_init(dom, (unsigned int)((pv ? d->pages : d->max_pages) >> 8)),
			"plan memory", e);
	if (rc == 0)
		rc = set_memory_size(b, d, e);
	if (rc == 0)
		rc = pv ? build_memory_map_pv(x, d, e) : give_memory_map(x, b, d, e);
	if (rc == 0) {
		lend_window(b, d);
		rc = err_of_step(xc_dom_build_image(dom), "load kernel and ramdisk", e);
		take_window_back(x, b, d);
		rc = not_loaded(b, d, img, rc, e);
	}
	if (rc == 0)
		rc = err_of_step(xc_dom_boot_image(dom), "set up the first vCPU", e);
	if (rc == 0)
		rc = err_of_step(xc_dom_gnttab_init(dom), "seed the grant table", e);
	return rc;
}

/* If a PVH kernel finds a store page, it sends a request and waits forever without a store; so
 * without a store it must find none. (PV kernels check the event channel.) */
static int set_ports(struct xen *x, const struct dom *d, const struct dom_load *load, struct err *e)
{
	int rc = xen_hvm_param_set(x, d->domid, HVM_PARAM_STORE_EVTCHN, load->store_port);

	if (rc == 0)
		rc = xen_hvm_param_set(x, d->domid, HVM_PARAM_CONSOLE_EVTCHN, load->console_port);
	if (rc == 0 && load->store_port == 0)
		rc = xen_hvm_param_set(x, d->domid, HVM_PARAM_STORE_PFN, 0);
	if (rc < 0)
		return err_sys(e, -rc, "set HVM parameters of domain %u", d->domid);
	return 0;
}

/* A command line with the maximal later length, to reserve room for it. */
static char *padded(const struct dom_load *load)
{
	size_t len = strlen(load->cmdline);
	char *text;

	if (len + 1 >= load->cmdline_room)
		return strdup(load->cmdline);
	text = malloc(load->cmdline_room);
	if (!text)
		return NULL;
	memset(text, ' ', load->cmdline_room - 1);
	memcpy(text, load->cmdline, len);
	text[load->cmdline_room - 1] = '\0';
	return text;
}

/* Finds where it was placed. The guest has not run, so the memory that is read here has only our
 * data. */
static int find_cmdline(struct xen *x, struct dom *d, const struct xc_dom_image *dom,
			const struct dom_load *load, struct err *e)
{
	xen_pfn_t frame = dom->start_info_seg.pfn;
	const struct hvm_start_info *info;
	uint64_t paddr;
	void *at = NULL;
	int rc;

	if (d->type == DOM_PV) {
		d->cmdline_frame =
			xc_dom_p2m((struct xc_dom_image *)(uintptr_t)dom, dom->start_info_pfn);
		d->cmdline_at = offsetof(struct start_info, cmd_line);
		d->cmdline_room = MAX_GUEST_CMDLINE;
		return 0;
	}
	rc = xen_map(x, d->domid, false, 1, &frame, &at);
	if (rc < 0)
		return err_sys(e, -rc, "map the start information of domain %u", d->domid);
	info = at;
	paddr = info->cmdline_paddr;
	xen_unmap(x, at, 1);
	d->cmdline_frame = paddr / PAGE_BYTES;
	d->cmdline_at = (uint32_t)(paddr % PAGE_BYTES);
	d->cmdline_room = load->cmdline_room;
	return 0;
}

int dom_set_cmdline(struct xen *x, const struct dom *d, const char *cmdline, struct err *e)
{
	size_t len = strlen(cmdline) + 1;
	xen_pfn_t frame[2] = {d->cmdline_frame, d->cmdline_frame + 1};
	uint32_t n = d->cmdline_at + len > PAGE_BYTES ? 2 : 1;
	void *at = NULL;
	int rc;

	if (len > d->cmdline_room)
		return err_set(e, E2BIG, "the command line has %zu bytes; there is room for %u",
			       len - 1, d->cmdline_room ? d->cmdline_room - 1 : 0);
	rc = xen_map(x, d->domid, true, n, frame, &at);
	if (rc < 0)
		return err_sys(e, -rc, "map the command line of domain %u", d->domid);
	memcpy((char *)at + d->cmdline_at, cmdline, len);
	xen_unmap(x, at, n);
	return 0;
}

int linux_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *load,
	       struct err *e)
{
	struct linux_build b = {0};
	char *cmdline;
	int rc;

	if (d->type == DOM_PV && strlen(load->cmdline) >= MAX_GUEST_CMDLINE)
		return err_set(e, EINVAL, "the command line has %zu bytes; a PV guest takes %d",
			       strlen(load->cmdline), MAX_GUEST_CMDLINE - 1);
	cmdline = padded(load);
	errno = 0;
	b.dom = cmdline ? xc_dom_allocate(xen_xc(x), cmdline, NULL) : NULL;
	free(cmdline);
	if (!b.dom)
		return err_set(e, ENOMEM, "out of memory");
	rc = describe(&b, d, img, load, e);
	if (rc == 0)
		rc = add_ramdisk(&b, load, e);
	if (rc == 0)
		rc = build(x, &b, d, img, e);
	if (rc == 0 && d->type == DOM_PVH)
		rc = set_ports(x, d, load, e);
	if (rc == 0 && load->cmdline_room)
		rc = find_cmdline(x, d, b.dom, load, e);
	if (rc == 0) {
		d->build->libxenguest = true;
		d->dev_gfn = b.dom->xenstore_pfn;
		d->control_gfn = b.dom->console_pfn;
		d->dev_frame = d->type == DOM_PV ? xc_dom_p2m(b.dom, d->dev_gfn) : d->dev_gfn;
		d->control_frame =
			d->type == DOM_PV ? xc_dom_p2m(b.dom, d->control_gfn) : d->control_gfn;
	}
	b.dom->e820 = NULL; /* ours, on the stack */
	xc_dom_release(b.dom);
	free(b.ramdisk);
	free(b.acpi);
	return rc;
}
