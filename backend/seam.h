/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ring cores ask of Xen: grant copies and notifications. Units put their own behind it. */
#ifndef NOXS_BACKEND_SEAM_H
#define NOXS_BACKEND_SEAM_H

#include <stdint.h>

#include <xenctrl.h>
#include <xengnttab.h>
#include <xen/grant_table.h>

/* The name libxengnttab gives a segment, without its typedef. */
struct backend_seam {
	/* Copies `n` segments, and may change all of them but their length; each `status` says how
	 * its copy went (GNTST_okay is 0). Negative errno when nothing was copied. Called by
	 * several threads at once. */
	int (*copy)(void *ctx, struct xengnttab_grant_copy_segment *segs, uint32_t n);
	/* Tells the guest at our local port. */
	void (*notify)(void *ctx, uint32_t port);
	void *ctx;
};

#endif
