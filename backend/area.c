/* SPDX-License-Identifier: BSD-3-Clause */
/* The area for grant copies: pages of gntalloc, else plain memory. */
#include "backend/area.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/grant_table.h>

#define PAGE 4096u

/* gntalloc has one limit for all processes, 1024 pages by default. It is raised by the pages of
 * this area, so that other processes keep their share. */
#define LIMIT	    "/sys/module/xen_gntalloc/parameters/limit"
#define LIMIT_PAGES 4096u

static void raise_limit(void)
{
	char text[16] = "";
	int fd = open(LIMIT, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && strtoul(text, NULL, 10) < LIMIT_PAGES)
		(void)dprintf(fd, "%u\n", LIMIT_PAGES); /* or the area is plain memory */
	(void)close(fd);
}

static bool share(struct area *a)
{
	struct xengntdev_handle *shr;

	raise_limit();
	shr = xengntshr_open(NULL, 0);
	a->refs = shr ? calloc(a->pages, sizeof(a->refs[0])) : NULL;
	if (a->refs) /* granted to dom0, which is this domain */
		a->base = xengntshr_share_pages(shr, 0, (int)a->pages, a->refs, 1);
	if (shr) /* pages that are mapped stay granted */
		(void)xengntshr_close(shr);
	if (a->base)
		return true;
	free(a->refs);
	a->refs = NULL;
	return false;
}

int area_open(struct area *a, uint32_t pages)
{
	*a = (struct area){.pages = pages};
	if (!share(a)) {
		a->base = aligned_alloc(PAGE, (size_t)pages * PAGE);
		if (!a->base)
			return -ENOMEM;
	}
	memset(a->base, 0, (size_t)pages * PAGE);
	return 0;
}

void area_close(struct area *a)
{
	if (!a->refs)
		free(a->base);
	else
		(void)munmap(a->base, (size_t)a->pages * PAGE); /* that ends the grants */
	free(a->refs);
	*a = (struct area){0};
}

void area_name(const struct area *a, struct xengnttab_grant_copy_segment *segs, uint32_t n)
{
	for (uint32_t i = 0; a->refs && i < n; i++) {
		struct xengnttab_grant_copy_segment *s = &segs[i];
		union xengnttab_copy_ptr *ours =
			s->flags == GNTCOPY_dest_gref ? &s->source : &s->dest;
		size_t off = (size_t)((uint8_t *)ours->virt - a->base);

		if (off >= (size_t)a->pages * PAGE || off % PAGE + s->len > PAGE)
			continue; /* elsewhere, or in two pages */
		ours->foreign.ref = a->refs[off / PAGE];
		ours->foreign.offset = (uint16_t)(off % PAGE);
		ours->foreign.domid = 0; /* as area_open() gave them */
		s->flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
	}
}
