/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files behind base/xen.h share. */
#ifndef CHAOS_BASE_XEN_PRIVATE_H
#define CHAOS_BASE_XEN_PRIVATE_H

#include <xenctrl.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#include "base/xen.h"

/* A piece of the machine to guest table, of 2 MiB: 1 GiB of machine memory. */
#define M2P_MAPS 16u
struct m2p_map {
	const uint64_t *at; /* NULL: none */
	uint64_t piece;
	uint64_t missing[8]; /* bits of pages that could not be mapped */
};

struct xen {
	xc_interface *xch;
	xenforeignmemory_handle *xfm;
	xenevtchn_handle *xce;
	xencall_handle *call;
	void *buf;	       /* xen_buffer(); NULL until it is asked for */
	xengnttab_handle *gnt; /* NULL until something is mapped by its grant */
	xentoollog_logger *quiet;
	int scheduler;		/* XEN_SCHEDULER_*, -1 until asked */
	uint32_t grant_version; /* the highest, 0 until asked */
	/* xen_m2p(): where the table's pieces lie (NULL until asked), and those last mapped */
	xen_pfn_t *m2p_piece;
	uint32_t m2p_pieces;
	struct m2p_map m2p_map[M2P_MAPS];
	uint32_t m2p_next; /* to be replaced */
};

/* A logger that says nothing; free() ends it. NULL when memory is gone. */
xentoollog_logger *xen_quiet_logger(void);

/* Unmaps what xen_m2p() has mapped. */
void xen_m2p_close(struct xen *x);

/* Memory that Xen reads and writes, XEN_BUFFER bytes, of any content: one of libxencall's own of
 * more than a page takes longer to make and to give back than the hypercall that it is for. NULL:
 * no memory. Who asks has it until the hypercall has returned. */
#define XEN_BUFFER (3u * XC_PAGE_SIZE)
void *xen_buffer(struct xen *x);

/* Makes the event fd non-blocking. */
int xen_evtchn_prepare(struct xen *x);

#endif
