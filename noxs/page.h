/* SPDX-License-Identifier: BSD-3-Clause */
/* dom0's side of the device page. dom0 keeps its own copy, and only writes the guest's page. */
#ifndef CHAOS_NOXS_PAGE_H
#define CHAOS_NOXS_PAGE_H

#include <stdbool.h>

#include <noxs/abi.h>

#include "base/err.h"

/* The contents of a page; names as in struct noxs_page. */
struct noxs_facts {
	bool pv;
	bool resumed;	     /* the guest is restored or a copy: NOXS_FLAG_RESUMED */
	bool gate;	     /* it waits at its gate, or will: NOXS_FLAG_GATE */
	uint64_t generation; /* different from all that this guest had before; 0 means 1 */
	uint8_t uuid[16];
	uint32_t domid;
	uint32_t vcpus;
	uint64_t mem_pages;
	uint64_t shared_info_gfn;
	uint64_t control_gfn;
	uint64_t page_table_gfn;
	uint64_t page_table_pages;
	uint64_t image_end_gfn;
	uint64_t tsc_khz;
	uint32_t control_port;	 /* the guest's end, already allocated; or 0: */
	uint32_t control_remote; /* dom0's end, for the guest to bind to */
	uint64_t entry;	       /* virtual address, for guests that start in the page; otherwise 0 */
	uint64_t grant_gfn;    /* where the grant table is mapped ... */
	uint32_t grant_frames; /* ... and how many pages of it */
	const struct noxs_device *dev; /* ndev entries, complete */
	uint32_t ndev;		       /* <= NOXS_MAX_DEVICES */
	const char *cmdline;	       /* "" for none; below NOXS_CMDLINE_MAX bytes */
	const struct noxs_fork *fork;  /* NULL: it is not a child */
};

/* Fills `copy` from the facts, with a new seed and the current time. -EINVAL: the command line
 * is too long. */
int noxs_page_fill(struct noxs_page *copy, const struct noxs_facts *f, struct err *e);

/* Removes everything from a filled page that a guest does not need while it waits at its gate. */
void noxs_page_blank(struct noxs_page *copy);

/* Writes the copy to the page of a guest that does not run, or that waits at its gate. */
void noxs_page_show(volatile void *page, const struct noxs_page *copy);

/* Opens the gate in a page that was written; the caller sends an event. False: there is no gate,
 * or it is open. */
bool noxs_page_open(volatile void *page);

/* Sets uuid and time in a page that was written in advance, of a guest that has not run. */
void noxs_page_take(volatile void *page, const uint8_t uuid[16]);

/* Writes another port of dom0 into the page of a guest that has not bound its end yet. */
void noxs_page_set_remote(volatile void *page, uint32_t port);

/* Answers request `seq` for a child, while the guest runs; the caller sends an event. `slot` has
 * number and channel of the child, or an error (number < 0; no channel). */
void noxs_page_answer_fork(volatile void *page, uint32_t seq, int32_t number, uint32_t slot,
			   const struct noxs_evtchn *channel);
/* Writes the status of a child, in the same way. */
void noxs_page_child(volatile void *page, uint32_t slot, struct noxs_child is);
/* Reads the last answered request from the page of a running guest, which may have changed it. */
uint32_t noxs_page_answered(const volatile void *page);
struct noxs_child noxs_page_child_shown(const volatile void *page, uint32_t slot);

#endif
