/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a VM is recorded. */
#include "split-toolstack/engine/vm/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/registry/record.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/vm-t.h"

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static uint32_t domid_of(const struct vm *vm)
{
	if (vm->life.now == NOW_BUILDING || vm->life.now == NOW_CONNECTING)
		return vm->slot.domid;
	return life_has_domain(&vm->life) ? vm->domid : 0;
}

/* What the next daemon is told. */
static enum vm_want want_of(const struct vm_life *l)
{
	return life_is_over(l) || (!l->kept && life_state(l) == VM_BUILDING) ? WANT_GONE : l->want;
}

static void describe(const struct vm *vm, struct vm_record *r)
{
	enum vm_state state = life_state(&vm->life);
	bool unknown = state == VM_UNKNOWN;
	bool threads = life_has_threads(&vm->life);
	*r = (struct vm_record){
		.name = vm->name,
		.cfg = &vm->cfg,
		.state = unknown ? vm->left.was : state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->left.domid : domid_of(vm),
		.guest_port = threads ? 0 : vm->guest_port, /* which they may be writing */
		.store_port = threads ? 0 : (uint16_t)vm->store_port,
		.want = want_of(&vm->life),
		.restarts = vm->restarts,
		.noxs = vm->noxs,
		.ready = vm->ready,
		.pages = vm->pages,
		.dev_frame = vm->dev_frame,
		.control_frame = vm->control_frame,
		.created_ns = vm->created_ns,
		.started_ns = vm->started_ns,
		/* With the end of its past it is of the history if it never gets to run. */
		.ended_ns = state == VM_BUILDING && vm->past_ns ? vm->past_ns : vm->ended_ns,
	};

	memcpy(r->uuid, vm->uuid, sizeof(r->uuid));
}

int vm_record(const struct vm *vm, struct err *e)
{
	struct vm_record r;

	describe(vm, &r);
	return registry_put(vm->en->registry, &r, e);
}

/* --- in files --- */

#define UUID_BYTES 16u

int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e)
{
	struct vm_record r;
	size_t n;

	describe(vm, &r);
	n = record_write(&r, NULL, 0);
	*out = malloc(UUID_BYTES + n);
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(*out, vm->uuid, UUID_BYTES);
	(void)record_write(&r, *out + UUID_BYTES, n);
	*bytes = (uint32_t)(UUID_BYTES + n);
	return 0;
}

int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e)
{
	struct vm_record r;

	errno = 0;
	if (bytes < UUID_BYTES || !record_read(&r, cfg, data + UUID_BYTES, bytes - UUID_BYTES))
		return errno == ENOMEM ? err_set(e, ENOMEM, "out of memory")
				       : err_set(e, EPROTO,
						 "the file says of its VM what this version does "
						 "not understand");
	memcpy(cfg->uuid, data, UUID_BYTES);
	return 0;
}
