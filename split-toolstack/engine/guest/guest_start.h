/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest has of the daemon when it starts. */
#ifndef CHAOS_GUEST_GUEST_START_H
#define CHAOS_GUEST_GUEST_START_H

#include <stdint.h>

#include "base/err.h"

struct vm;

/* Opens the control channel, and the store's end of a guest that is not ours; starts the devices,
 * or takes over those of its shell; fills the device page. The domain is built and its pages are
 * mapped. `generation`: of a guest that goes on; 0: it begins. What a failure leaves goes with the
 * domain. */
int guest_start(struct vm *vm, uint64_t generation, struct err *e);

#endif
