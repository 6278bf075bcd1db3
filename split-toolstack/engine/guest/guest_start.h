/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens the daemon's side of a guest when it starts. */
#ifndef CHAOS_GUEST_GUEST_START_H
#define CHAOS_GUEST_GUEST_START_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct dom;
struct noxs_fork;
struct engine;
struct vm;
struct vm_config;

/* The contents of the device page of a domain without devices. */
struct guest_page {
	const struct dom *dom;
	const struct vm_config *cfg;
	const uint8_t *uuid;
	uint8_t *map;		      /* the page */
	uint32_t guest_port;	      /* as in struct vm */
	uint32_t port;		      /* dom0's end of its channel; if it is not 0: */
	uint64_t generation;	      /* 0: the guest starts from its image */
	bool gate;		      /* ... and waits at its gate */
	const struct noxs_fork *fork; /* NULL: it is not a child */
};

/* Opens the control channel, and the store of a guest without noxs; starts the devices, or takes
 * those of its shell; fills the device page. The domain must be built and its pages mapped.
 * `generation`: of a restored guest or a copy; 0: it starts from its image. After a failure drop
 * the domain. */
int guest_start(struct vm *vm, uint64_t generation, struct err *e);
/* Generates a generation that no guest has had. */
int guest_new_generation(uint64_t *out, struct err *e);
/* Fills the device page of a domain with a restored guest, for a VM that will be made from it;
 * g->generation is a new one. */
int guest_page_ahead(struct engine *en, struct guest_page *g, struct err *e);
/* Fills the device page of a domain whose guest will wait at its gate (noxs/abi.h) for a VM. */
int guest_page_gate(struct engine *en, struct guest_page *g, struct err *e);
/* guest_start() for a VM that has taken such a domain: its page gets the VM's uuid and the time. */
int guest_start_copy(struct vm *vm, struct err *e);

#endif
