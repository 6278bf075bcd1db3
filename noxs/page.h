/* SPDX-License-Identifier: BSD-3-Clause */
/* dom0's side of the device page: the private copy is the truth, the guest's page only shows it. */
#ifndef CHAOS_NOXS_PAGE_H
#define CHAOS_NOXS_PAGE_H

#include <stdbool.h>

#include <noxs/abi.h>

#include "base/err.h"

/* What a page says of its VM; field names as in struct noxs_page. */
struct noxs_facts {
	bool pv;
	bool resumed;	     /* the guest has lived before: NOXS_FLAG_RESUMED */
	bool gate;	     /* it waits at its gate, or will: NOXS_FLAG_GATE */
	uint64_t generation; /* another one than any that this guest had; 0 means 1 */
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
	uint32_t control_port;	       /* the guest's end, already allocated, or 0: */
	uint32_t control_remote;       /* dom0's end, for the guest to bind to */
	uint64_t entry;		       /* virtual, for guests that start in the page; else 0 */
	uint64_t grant_gfn;	       /* where the grant table is mapped ... */
	uint32_t grant_frames;	       /* ... so many pages of it */
	const struct noxs_device *dev; /* ndev entries, complete */
	uint32_t ndev;		       /* <= NOXS_MAX_DEVICES */
	const char *cmdline;	       /* "" for none; below NOXS_CMDLINE_MAX bytes */
	const struct noxs_fork *fork;  /* it is a child; NULL: it is none */
};

/* Fills `copy` from the facts, with a fresh seed and the clock of now. -EINVAL: command line too
 * long. */
int noxs_page_fill(struct noxs_page *copy, const struct noxs_facts *f, struct err *e);

/* Leaves in a filled one what a guest needs to wait at its gate, and nothing of a VM. */
void noxs_page_blank(struct noxs_page *copy);

/* Shows the copy to a guest that does not run, or that waits at its gate. */
void noxs_page_show(volatile void *page, const struct noxs_page *copy);

/* Opens the gate of a page that is shown; an event follows. False: it has none, or it is open. */
bool noxs_page_open(volatile void *page);

/* A page that was shown ahead to a guest that has not run: it is of this uuid, and the clock says
 * now.
 */
void noxs_page_take(volatile void *page, const uint8_t uuid[16]);

/* Shows another port of dom0's to a guest that has not bound its end yet. */
void noxs_page_set_remote(volatile void *page, uint32_t port);

/* While the guest runs; the caller sends an event. Its request `seq` for a child is answered: with
 * number and channel of the child in `slot`, or with an error (number < 0; no channel). */
void noxs_page_answer_fork(volatile void *page, uint32_t seq, int32_t number, uint32_t slot,
			   const struct noxs_evtchn *channel);
/* Likewise: what became of its child. */
void noxs_page_child(volatile void *page, uint32_t slot, struct noxs_child is);
/* What a page that lived on without us shows; the guest may have changed it. */
uint32_t noxs_page_answered(const volatile void *page);
struct noxs_child noxs_page_child_shown(const volatile void *page, uint32_t slot);

#endif
