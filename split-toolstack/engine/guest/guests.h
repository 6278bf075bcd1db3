/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing what guests have of the daemon. */
#ifndef CHAOS_GUEST_GUESTS_H
#define CHAOS_GUEST_GUESTS_H

#include "base/err.h"
#include "split-toolstack/engine/guest/guests-t.h"

/* The store, its guests' ends and the names in it. The mode is known; `ops` stay. On failure
 * guests_close() follows. */
int guests_open(struct engine *en, const struct guests_ops *ops, struct err *e);
void guests_close(struct engine *en); /* not open is fine */

#endif
