/* SPDX-License-Identifier: BSD-3-Clause */
/* The second console of a Linux guest: the channel of the agent in it. */
#ifndef CHAOS_GUEST_CHANNEL_H
#define CHAOS_GUEST_CHANNEL_H

#include <stdbool.h>

#include "base/err.h"

struct vm;

/* Makes its nodes (adopt: they are there), and connects whenever the guest's frontend does. */
int channel_open(struct vm *vm, bool adopt, struct err *e);
/* Not open is fine. Before the domain is destroyed: a page of it is mapped. */
void channel_close(struct vm *vm);

#endif
