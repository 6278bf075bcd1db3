/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages to and from which grant copies are made. If the kernel has gntalloc, they are
 * granted to dom0 itself: a copy then names a grant on both sides, and Xen need not look up and
 * pin a page of this process, which is a third of the cost of a copy. */
#ifndef NOXS_BACKEND_AREA_H
#define NOXS_BACKEND_AREA_H

#include <stdint.h>

#include <xenctrl.h>
#include <xengnttab.h>

struct area {
	uint8_t *base; /* zeroed before use */
	uint32_t pages;
	uint32_t *refs; /* a grant reference for each page; NULL: plain memory */
};

/* Call it as root. -ENOMEM. Without gntalloc, or if too little of its limit is left, the area is
 * plain memory. */
int area_open(struct area *a, uint32_t pages);
void area_close(struct area *a);

/* Sets the grants of the local sides of segments that are in one page of the area. */
void area_name(const struct area *a, struct xengnttab_grant_copy_segment *segs, uint32_t n);

#endif
