/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages that grant copies go to and come from. Where the kernel offers it (gntalloc) they are
 * granted to ourselves: a copy then names a grant on both sides, and no page of ours is looked up
 * and pinned for it, which is a third of what a copy costs. */
#ifndef NOXS_BACKEND_AREA_H
#define NOXS_BACKEND_AREA_H

#include <stdint.h>

#include <xenctrl.h>
#include <xengnttab.h>

struct area {
	uint8_t *base; /* zero at first */
	uint32_t pages;
	uint32_t *refs; /* a page each; NULL: plain memory */
};

/* As root. -ENOMEM; without gntalloc, or with too little left of its limit, it is plain memory. */
int area_open(struct area *a, uint32_t pages);
void area_close(struct area *a);

/* Names the grants of the local sides that lie in one page of the area. */
void area_name(const struct area *a, struct xengnttab_grant_copy_segment *segs, uint32_t n);

#endif
