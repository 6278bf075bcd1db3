/* SPDX-License-Identifier: BSD-3-Clause */
/* The store nodes of a guest without noxs, and its store ring. */
#ifndef CHAOS_GUEST_GUEST_STORE_H
#define CHAOS_GUEST_GUEST_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen;

/* Allocates the guest's ends of the channels that it expects: console and, without noxs, store. */
int guest_store_ports(struct xen *x, uint32_t domid, bool noxs, uint32_t *console, uint32_t *store,
		      struct err *e);
/* Makes the nodes (or adopts them) and serves the ring from then on; no effect for a VM without
 * a store. On failure nothing is open. */
int guest_store_open(struct vm *vm, bool adopt, struct err *e);
void guest_store_close(struct vm *vm); /* the nodes stay, for the next daemon */
/* Removes all that the store has of the VM's domain. */
void guest_store_forget(struct vm *vm);
void guest_stores_poll(struct engine *en); /* serves the rings that have work */
void guest_store_renamed(struct vm *vm);
/* Writes the address of the first vif into the node vm-data/ip of a guest that will continue, if
 * an address was configured. */
int guest_store_tell_address(struct vm *vm, struct err *e);
/* Whether it has this node with a value. */
bool guest_store_has(const struct vm *vm, const char *rest);
/* Whether it has connected to its store, and watches it. */
bool guest_store_can_ask(const struct vm *vm);
/* Sets the target of its balloon driver, if it has one. */
int guest_store_ask_memory(struct vm *vm, uint64_t kib, struct err *e);
int guest_store_shutdown(struct vm *vm, bool reboot, struct err *e);
/* Whether it has reported that it can suspend, and can get requests. */
bool guest_store_can_suspend(const struct vm *vm);
/* Requests it to suspend: it shuts down with SHUTDOWN_suspend some time later, and needs its
 * store until then. */
int guest_store_suspend(struct vm *vm, struct err *e);
/* For a guest that continues in a new domain: writes the nodes that it writes only when it
 * boots. */
void guest_store_restored(struct vm *vm);
/* It continues, or must not suspend any more. */
void guest_store_suspended(struct vm *vm);
void guest_store_on_missing(void *arg, uint32_t domid); /* for store_on_missing() */

#endif
