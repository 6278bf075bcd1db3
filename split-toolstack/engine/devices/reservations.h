/* SPDX-License-Identifier: BSD-3-Clause */
/* What each living VM has for itself: addresses, names, disks. */
#ifndef CHAOS_ENGINE_DEVICES_RESERVATIONS_H
#define CHAOS_ENGINE_DEVICES_RESERVATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct engine;
struct vm;

enum reserved {
	RESERVED_MAC = 'm',
	RESERVED_NAME = 'n',
	RESERVED_DISK = 'd',
	RESERVED_FILE = 'f',
	RESERVED_PEER = 'p', /* of a vif in a network namespace */
	RESERVED_IPV4 = 'i', /* nothing refuses a second one */
};
/* Some VM has it. */
bool reservations_has(struct engine *en, enum reserved of, const void *what, size_t len);
/* Another VM than `self` has it, and one of both writes; NULL: none has. */
const struct vm *reservations_holder(struct engine *en, const struct vm *self, enum reserved of,
				     const void *what, size_t len, bool writes);
/* One more of the VM's. -ENOMEM. */
int reservations_add(struct vm *vm, enum reserved of, const void *what, size_t len, bool writes);
/* All that the VM's configuration says now, in place of what it said before. -ENOMEM. */
int reservations_take(struct vm *vm, struct err *e);
void reservations_drop(struct vm *vm);

#endif
