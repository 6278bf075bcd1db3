/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files that implement base/xen.h. */
#ifndef CHAOS_BASE_XEN_PRIVATE_H
#define CHAOS_BASE_XEN_PRIVATE_H

#include <xenctrl.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#include "base/xen.h"

/* One piece of the machine-to-guest table: 2 MiB, for 1 GiB of machine memory. */
#define M2P_MAPS 16u
struct m2p_map {
	const uint64_t *at; /* NULL: not mapped */
	uint64_t piece;
	uint64_t missing[8]; /* bits of pages that could not be mapped */
};

struct xen {
	xc_interface *xch;
	xenforeignmemory_handle *xfm;
	xenevtchn_handle *xce;
	xencall_handle *call;
	void *buf;	       /* xen_buffer(); NULL before the first call */
	xengnttab_handle *gnt; /* NULL before the first mapping by grant */
	xentoollog_logger *quiet;
	int scheduler;		/* XEN_SCHEDULER_*; -1: not read yet */
	uint32_t grant_version; /* the highest; 0: not read yet */
	/* xen_m2p(): frames of the table's pieces (NULL: not read yet), and the pieces mapped
	 * last */
	xen_pfn_t *m2p_piece;
	uint32_t m2p_pieces;
	struct m2p_map m2p_map[M2P_MAPS];
	uint32_t m2p_next; /* the next one to be replaced */
};

/* A logger that prints nothing; free() it. NULL: out of memory. */
xentoollog_logger *xen_quiet_logger(void);

/* Unmaps all that xen_m2p() has mapped. */
void xen_m2p_close(struct xen *x);

/* XEN_BUFFER bytes that hypercalls may read and write, with any content. It is allocated once:
 * libxencall takes longer to allocate and free more than a page than the hypercall itself takes.
 * NULL: out of memory. It can be used until the hypercall returns. */
#define XEN_BUFFER (3u * XC_PAGE_SIZE)
void *xen_buffer(struct xen *x);

/* Makes the event fd non-blocking. */
int xen_evtchn_prepare(struct xen *x);

#endif
