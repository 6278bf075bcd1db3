/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of Xen that the ring code needs: grant copies and events. Unit tests have their own
 * functions for them. */
#ifndef NOXS_BACKEND_SEAM_H
#define NOXS_BACKEND_SEAM_H

#include <stdint.h>

#include <xenctrl.h>
#include <xengnttab.h>
#include <xen/grant_table.h>

/* libxengnttab's name for a segment, without its typedef. */
struct backend_seam {
	/* Copies `n` segments; it may change all members of a segment except the length. Each
	 * `status` has the result of its copy (GNTST_okay is 0). Returns a negative errno if
	 * nothing was copied. Called by several threads at once. */
	int (*copy)(void *ctx, struct xengnttab_grant_copy_segment *segs, uint32_t n);
	/* Sends an event to the guest on our local port. */
	void (*notify)(void *ctx, uint32_t port);
	void *ctx;
};

#endif
