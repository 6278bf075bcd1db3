/* SPDX-License-Identifier: BSD-3-Clause */
/* The second console of a Linux guest: the channel of the agent in it. */
#ifndef CHAOS_GUEST_CHANNEL_H
#define CHAOS_GUEST_CHANNEL_H

#include <stdbool.h>

#include "base/err.h"

struct vm;

/* Makes its nodes (adopt: they exist already), and connects each time the guest's frontend does. */
int channel_open(struct vm *vm, bool adopt, struct err *e);
/* No effect if it is not open. Call it before the domain is destroyed, because a page of it is
 * mapped. */
void channel_close(struct vm *vm);

#endif
