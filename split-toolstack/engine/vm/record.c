/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records: in the registry, and in files of saved ones. */
#include "split-toolstack/engine/vm/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/record.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm-t.h"

#define UUID_BYTES 16u

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static uint32_t record_domid(const struct vm *vm)
{
	enum vm_now now = vm->state.now;

	if (now == NOW_BUILDING || now == NOW_CONNECTING || now == NOW_ARRIVING ||
	    now == NOW_WAKING)
		return slot_domid(&vm->slot);
	/* of one that falls asleep: the domain that is to go */
	return life_has_domain(vm) || now == NOW_ASLEEP ? vm->domid : 0;
}

/* The desired state in the record, for the next daemon. */
static enum vm_want record_want(const struct vm *vm)
{
	return life_is_over(vm) || (!vm->state.kept && vm_state(vm) == VM_BUILDING)
		       ? WANT_GONE
		       : vm->state.want;
}

/* The VM as it is now: an intent while it is being built. */
void vm_as_record(const struct vm *vm, struct vm_record *r)
{
	enum vm_state state = vm_state(vm);
	bool unknown = state == VM_UNKNOWN;
	bool threads = life_has_threads(vm);

	*r = (struct vm_record){
		.name = vm->name,
		.cfg = &vm->cfg,
		.state = unknown ? vm->left.was : state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->left.domid : record_domid(vm),
		.guest_port = threads ? 0 : vm->guest_port, /* which they may be writing */
		.store_port = threads ? 0 : (uint16_t)vm->store_port,
		.want = record_want(vm),
		.restarts = vm->restarts,
		.noxs = vm->noxs,
		.direct = vm->direct,
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
						 "the file has a configuration that this version "
						 "does not know: use the chaos that saved it");
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

/* --- from its record --- */

/* Defaults for members that the record lacks. */
static enum vm_want guess_want(enum vm_state recorded, bool restarted)
{
	if (recorded == VM_ENDED || (recorded == VM_BUILDING && !restarted))
		return WANT_GONE;
	return recorded == VM_PAUSED ? WANT_PAUSED : WANT_RUN;
}

void vm_read_record(struct vm *vm, const struct vm_record *r, struct vm_config *cfg)
{
	memcpy(vm->uuid, r->uuid, sizeof(vm->uuid));
	(void)snprintf(vm->name, sizeof(vm->name), "%s", r->name);
	vm->left.was = r->state;
	vm->left.domid = r->domid;
	vm->state.now = r->state == VM_ENDED ? NOW_ENDED : NOW_UNKNOWN;
	vm->state.want = r->want ? r->want : guess_want(r->state, r->restarts > 0);
	vm->state.kept = vm->state.want != WANT_GONE;
	vm->reason = r->reason;
	vm->exit_code = r->exit_code;
	vm->guest_port = r->guest_port;
	vm->store_port = r->store_port;
	vm->restarts = r->restarts;
	vm->noxs = r->noxs;
	vm->direct = r->direct;
	vm->ready = r->ready;
	vm->pages = r->pages;
	vm->dev_frame = r->dev_frame;
	vm->control_frame = r->control_frame;
	vm->created_ns = r->created_ns;
	vm->started_ns = r->started_ns;
	vm->ended_ns = r->ended_ns;
	vm_config_clear(&vm->cfg); /* of one that was unknown */
	vm->cfg = *cfg;
	memcpy(vm->cfg.uuid, r->uuid, sizeof(vm->cfg.uuid));
	vm_config_init(cfg);
}

int vm_record_intent(struct vm *vm, uint32_t domid)
{
	struct slot slot = vm->slot;
	int rc;

	slot_set_domid(&vm->slot, domid);
	rc = vm_record(vm, NULL);
	vm->slot = slot;
	return rc;
}
