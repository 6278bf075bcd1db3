/* SPDX-License-Identifier: BSD-3-Clause */
/* libxenguest as far as libdom/linux.c uses it, for units on the fake hypervisor: each step can
 * fail, and the kernel's first bytes come to lie where they would. Linked as an object, it is found
 * first. */
#include "tests/fake/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenguest.h>

#define VIRT_BASE    0xffffffff80000000ull
#define KERNEL_GFN   0x1000u
#define KERNEL_PAGES 1024u

static int step(const char *name)
{
	int rc;

	(void)pthread_mutex_lock(&fake_lock);
	rc = fake_leave(fake_may_fail(name));
	if (rc == 0)
		return 0;
	errno = -rc;
	return -1;
}

struct xc_dom_image *xc_dom_allocate(xc_interface *xch, const char *cmdline, const char *features)
{
	struct xc_dom_image *dom = step(__func__) == 0 ? calloc(1, sizeof(*dom)) : NULL;

	(void)features;
	if (!dom)
		return NULL;
	dom->xch = xch;
	dom->cmdline = strdup(cmdline);
	return dom;
}

void xc_dom_release(struct xc_dom_image *dom)
{
	if (dom->phys_pages) /* the library would unmap what is not its own */
		abort();
	while (dom->memblocks) {
		struct xc_dom_mem *m = dom->memblocks;

		dom->memblocks = m->next;
		free(m);
	}
	free(dom->cmdline);
	free(dom);
}

void *xc_dom_malloc(struct xc_dom_image *dom, size_t size)
{
	struct xc_dom_mem *m = step(__func__) == 0 ? calloc(1, sizeof(*m) + size) : NULL;

	if (!m)
		return NULL;
	m->next = dom->memblocks;
	dom->memblocks = m;
	return m->memory;
}

int xc_dom_kernel_mem(struct xc_dom_image *dom, const void *mem, size_t memsize)
{
	dom->kernel_blob = (void *)(uintptr_t)mem;
	dom->kernel_size = memsize;
	return step(__func__);
}

int xc_dom_module_mem(struct xc_dom_image *dom, const void *mem, size_t memsize,
		      const char *cmdline)
{
	(void)mem;
	(void)memsize;
	(void)cmdline;
	dom->num_modules++;
	return step(__func__);
}

int xc_dom_boot_xen_init(struct xc_dom_image *dom, xc_interface *xch, uint32_t domid)
{
	(void)xch;
	dom->guest_domid = domid;
	return step(__func__);
}

int xc_dom_parse_image(struct xc_dom_image *dom)
{
	dom->kernel_seg.vstart = VIRT_BASE + KERNEL_GFN * 4096ull;
	dom->kernel_seg.vend = dom->kernel_seg.vstart + KERNEL_PAGES * 4096ull;
	return step(__func__);
}

uint64_t xc_dom_virt_base(struct xc_dom_image *dom)
{
	(void)dom;
	return VIRT_BASE;
}

bool xc_dom_translated(const struct xc_dom_image *dom)
{
	return dom->container_type == XC_DOM_HVM_CONTAINER;
}

int xc_dom_mem_init(struct xc_dom_image *dom, unsigned int mem_mb)
{
	dom->total_pages = (xen_pfn_t)mem_mb << 8;
	return step(__func__);
}

int xc_dom_build_image(struct xc_dom_image *dom)
{
	void *at = NULL;

	if (dom->p2m_size < dom->total_pages || (!xc_dom_translated(dom) && !dom->pv_p2m))
		abort(); /* memory that was not given to it */
	if (step(__func__) < 0)
		return -1;
	dom->kernel_seg.pfn = KERNEL_GFN;
	dom->kernel_seg.pages = KERNEL_PAGES;
	dom->xenstore_pfn = KERNEL_GFN + KERNEL_PAGES;
	dom->console_pfn = dom->xenstore_pfn + 1;
	dom->start_info_seg.pfn = dom->start_info_pfn = dom->console_pfn + 1;
	if (dom->phys_pages) { /* lent */
		if (dom->phys_pages->first != KERNEL_GFN || dom->phys_pages->count != KERNEL_PAGES)
			abort();
		memcpy(dom->phys_pages->ptr, dom->kernel_blob, 64);
		return 0;
	}
	at = fake_page(dom->guest_domid, xc_dom_p2m(dom, KERNEL_GFN));
	if (!at)
		return -1;
	memcpy(at, dom->kernel_blob, 64);
	(void)munmap(at, 4096);
	return 0;
}

int xc_dom_boot_image(struct xc_dom_image *dom)
{
	(void)dom;
	return step(__func__);
}

int xc_dom_gnttab_init(struct xc_dom_image *dom)
{
	(void)dom;
	return step(__func__);
}
