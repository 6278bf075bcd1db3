/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest has of the daemon when it starts. */
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

/* What the device page of a domain without devices says. */
struct guest_page {
	const struct dom *dom;
	const struct vm_config *cfg;
	const uint8_t *uuid;
	uint8_t *map;		      /* the page */
	uint32_t guest_port;	      /* as in struct vm */
	uint32_t port;		      /* dom0's end of its channel, if it is not 0: */
	uint64_t generation;	      /* 0: it begins */
	bool gate;		      /* ... at its gate */
	const struct noxs_fork *fork; /* NULL: it is no child */
};

/* Opens the control channel, and the store's end of a guest that is not ours; starts the devices,
 * or takes over those of its shell; fills the device page. The domain is built and its pages are
 * mapped. `generation`: of a guest that goes on; 0: it begins. What a failure leaves goes with the
 * domain. */
int guest_start(struct vm *vm, uint64_t generation, struct err *e);
/* Another one than any guest had. */
int guest_new_generation(uint64_t *out, struct err *e);
/* Fills the device page of a domain whose guest goes on, for a VM to come; g->generation is a new
 * one. */
int guest_page_ahead(struct engine *en, struct guest_page *g, struct err *e);
/* Fills that of a domain whose guest begins and is to wait at its gate (noxs/abi.h) for a VM to
 * come. */
int guest_page_gate(struct engine *en, struct guest_page *g, struct err *e);
/* guest_start() of a VM that has taken such a domain: its page gets the VM's uuid and the clock. */
int guest_start_copy(struct vm *vm, struct err *e);

#endif
