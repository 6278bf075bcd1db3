/* SPDX-License-Identifier: BSD-3-Clause */
/* The resources of each VM that no other may use: MAC addresses, names of interfaces, disks. */
#include "split-toolstack/engine/devices/reservations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

/* One table for all VMs, keyed by resource, so that a create takes the same time with thousands
 * of VMs. A VM has its resources from its create to its end, also between two domains, when the
 * kernel has nothing of it. Several VMs can have a disk if all of them only read it. */

#define WHAT_MAX 4096u /* bytes of what a reservation is of */

struct reservation {
	UT_hash_handle hh;
	struct reservation *next; /* of the VM */
	struct vm *vm;
	bool writes;
	char key[];
};

static struct reservation *find(struct engine *en, enum reserved of, const void *what, size_t len)
{
	char key[1 + WHAT_MAX];
	struct reservation *c = NULL;

	if (len > WHAT_MAX)
		return NULL;
	key[0] = (char)of;
	memcpy(key + 1, what, len);
	HASH_FIND(hh, engine_devices(en)->reservations, key, len + 1, c);
	return c;
}

bool reservations_has(struct engine *en, enum reserved of, const void *what, size_t len)
{
	return find(en, of, what, len);
}

const struct vm *reservations_holder(struct engine *en, const struct vm *self, enum reserved of,
				     const void *what, size_t len, bool writes)
{
	const struct reservation *c = find(en, of, what, len);

	return c && c->vm != self && (c->writes || writes) ? c->vm : NULL;
}

int reservations_add(struct vm *vm, enum reserved of, const void *what, size_t len, bool writes)
{
	struct reservation *c = malloc(sizeof(*c) + 1 + len);

	if (!c)
		return -ENOMEM;
	c->vm = vm;
	c->writes = writes;
	c->key[0] = (char)of;
	memcpy(c->key + 1, what, len);
	c->next = *vm_reservations(vm);
	*vm_reservations(vm) = c;
	HASH_ADD_KEYPTR(hh, engine_devices(vm_engine(vm))->reservations, c->key, len + 1, c);
	return 0;
}

int reservations_take(struct vm *vm, struct err *e)
{
	int rc = 0;

	reservations_drop(vm);
	for (uint32_t i = 0; rc == 0 && i < vm_cfg(vm)->ndevice; i++)
		rc = engine_devices(vm_engine(vm))
			     ->kinds[vm_cfg(vm)->device[i].kind]
			     ->reserve(vm, &vm_cfg(vm)->device[i]);
	return rc < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

void reservations_drop(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	struct reservation *c;

	while ((c = *vm_reservations(vm)) != NULL) {
		*vm_reservations(vm) = c->next;
		/* It is in the table, which is there.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		HASH_DELETE(hh, engine_devices(en)->reservations, c);
		free(c);
	}
}
