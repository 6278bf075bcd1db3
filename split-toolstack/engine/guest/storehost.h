/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of the host. */
#ifndef CHAOS_GUEST_STOREHOST_H
#define CHAOS_GUEST_STOREHOST_H

#include <stdint.h>

#include "base/err.h"

struct engine;
struct store;

/* Opens the store; `poll` is called in each turn of the loop in which guests' rings have work.
 * On failure call storehost_close(). */
int storehost_open(struct engine *en, void (*poll)(struct engine *en), struct err *e);
/* Mode own: serves dom0's kernel and tools. If that fails it is logged, and VMs without devices
 * still run. */
void storehost_serve(struct engine *en);
void storehost_stop_serving(struct engine *en);
void storehost_close(struct engine *en);
/* Removes nodes of domains that are not VMs. */
void storehost_tidy(struct engine *en);
/* Never NULL while the engine is open: guests' nodes are in it in every mode, dom0's own devices in
 * mode own. */
struct store *engine_store(struct engine *en);
/* -ENOSPC: its folder is full, and nothing can be added. */
int storehost_check_room(const struct engine *en, struct err *e);
void storehost_busy(struct engine *en); /* the loop does not sleep in this turn */
/* Makes the backend nodes of a guest's console, at a path that exists. */
int storehost_console_backend(struct engine *en, uint32_t domid, const char *at);

#endif
