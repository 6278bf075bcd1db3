/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest that is not ours finds in the store, and its ring. */
#ifndef CHAOS_GUEST_GUEST_STORE_H
#define CHAOS_GUEST_GUEST_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen;

/* The guest's ends of the channels it expects: console and, without noxs, store. */
int guest_store_ports(struct xen *x, uint32_t domid, bool noxs, uint32_t *console, uint32_t *store,
		      struct err *e);
/* Makes nodes (or adopts them) and serves the ring from then on; nothing for a VM without. On
 * failure nothing is open. */
int guest_store_open(struct vm *vm, bool adopt, struct err *e);
void guest_store_close(struct vm *vm); /* the nodes stay: for the next daemon */
/* All that the store has of the VM's domain goes. */
void guest_store_forget(struct vm *vm);
void guest_stores_poll(struct engine *en); /* those that were woken */
void guest_store_renamed(struct vm *vm);
/* The guest, which goes on, finds the address of its first vif in the node vm-data/ip, if it has
 * been given one. */
int guest_store_tell_address(struct vm *vm, struct err *e);
/* It has one that is not empty. */
bool guest_store_has(const struct vm *vm, const char *rest);
/* It has connected to its store, and watches it. */
bool guest_store_can_ask(const struct vm *vm);
/* Its balloon driver, if it has one, follows. */
int guest_store_ask_memory(struct vm *vm, uint64_t kib, struct err *e);
int guest_store_shutdown(struct vm *vm, bool reboot, struct err *e);
/* It has said so, and can be asked. */
bool guest_store_can_suspend(const struct vm *vm);
/* Asks it to: it shuts down with SHUTDOWN_suspend some time later, and until then it needs its
 * store. */
int guest_store_suspend(struct vm *vm, struct err *e);
/* Of a guest that goes on in a new domain: what it said once, as it booted, and does not say again.
 */
void guest_store_restored(struct vm *vm);
/* It goes on, or is not to suspend any more. */
void guest_store_suspended(struct vm *vm);
void guest_store_on_missing(void *arg, uint32_t domid); /* for store_on_missing() */

#endif
