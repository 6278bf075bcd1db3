/* SPDX-License-Identifier: BSD-3-Clause */
/* Resources that only one VM may use: addresses, names, disks. */
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
	RESERVED_IPV4 = 'i', /* several VMs may have the same */
};
/* Whether some VM has it. */
bool reservations_has(struct engine *en, enum reserved of, const void *what, size_t len);
/* Another VM than `self` that has it, if one of the two can write; NULL: there is none. */
const struct vm *reservations_holder(struct engine *en, const struct vm *self, enum reserved of,
				     const void *what, size_t len, bool writes);
/* Adds one for the VM. -ENOMEM. */
int reservations_add(struct vm *vm, enum reserved of, const void *what, size_t len, bool writes);
/* Replaces those of the VM by those of its current configuration. -ENOMEM. */
int reservations_take(struct vm *vm, struct err *e);
void reservations_drop(struct vm *vm);

#endif
