/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs in files: what these say of them. */
#include "split-toolstack/engine/vm/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/record.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/records.h"
#include "split-toolstack/engine/vm/vm-t.h"

#define UUID_BYTES 16u

int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e)
{
	struct vm_record r;
	size_t n;

	vm_as_record(vm, &r);
	n = record_write(&r, NULL, 0);
	*out = malloc(UUID_BYTES + n);
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(*out, vm->uuid, UUID_BYTES);
	(void)record_write(&r, *out + UUID_BYTES, n);
	*bytes = (uint32_t)(UUID_BYTES + n);
	return 0;
}

int vm_undescribe_all(const uint8_t *data, uint32_t bytes, struct vm_record *r,
		      struct vm_config *cfg, struct err *e)
{
	errno = 0;
	if (bytes < UUID_BYTES || !record_read(r, cfg, data + UUID_BYTES, bytes - UUID_BYTES))
		return errno == ENOMEM ? err_set(e, ENOMEM, "out of memory")
				       : err_set(e, EPROTO,
						 "the file says of its VM what this version does "
						 "not understand");
	memcpy(r->uuid, data, UUID_BYTES);
	memcpy(cfg->uuid, data, UUID_BYTES);
	return 0;
}

int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e)
{
	struct vm_record r;

	int rc = vm_undescribe_all(data, bytes, &r, cfg, e);

	cfg->child = (struct vm_child){0}; /* what is made of a file has no parent */
	return rc;
}

int vm_record_config(const struct vm *vm, struct err *e)
{
	return vm_record(vm, e);
}
