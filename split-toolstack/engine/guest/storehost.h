/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's store. */
#ifndef CHAOS_GUEST_STOREHOST_H
#define CHAOS_GUEST_STOREHOST_H

#include <stdint.h>

#include "base/err.h"

struct engine;
struct store;

/* Opens the store; `poll` is called in each turn of the loop in which guests' rings have something
 * to move. On failure storehost_close() follows. */
int storehost_open(struct engine *en, void (*poll)(struct engine *en), struct err *e);
/* Mode own: gives it to dom0's kernel and tools. Without them VMs without devices run: it is
 * logged, and not the end. */
void storehost_serve(struct engine *en);
void storehost_stop_serving(struct engine *en);
void storehost_close(struct engine *en);
/* What the tree has of domains that are no VMs goes. */
void storehost_tidy(struct engine *en);
/* Never NULL while the engine is open: guests' nodes are in it in every mode, dom0's own devices in
 * mode own. */
struct store *engine_store(struct engine *en);
/* -ENOSPC: its folder is full, and nothing can be added to it. */
int storehost_check_room(const struct engine *en, struct err *e);
void storehost_busy(struct engine *en); /* the loop comes round without sleeping */
/* The backend's nodes of a guest's console, at a path that is there. */
int storehost_console_backend(struct engine *en, uint32_t domid, const char *at);

#endif
