/* SPDX-License-Identifier: BSD-3-Clause */
/* This room as tests see it. */
#include "split-toolstack/engine/life/life_test.h"

#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/vm-t.h"

enum vm_now life_test_now(const struct vm *vm)
{
	return vm->life.now;
}

enum vm_wait life_test_wait(const struct vm *vm)
{
	return vm->life.wait;
}

enum vm_want life_test_want(const struct vm *vm)
{
	return vm->life.want;
}

bool life_test_kept(const struct vm *vm)
{
	return vm->life.kept;
}

bool life_test_is_over(const struct vm *vm)
{
	return life_is_over(&vm->life);
}

double life_test_connect_until(const struct vm *vm)
{
	return vm->life.connect_until;
}

void life_test_set_connect_until(struct vm *vm, double until)
{
	vm->life.connect_until = until;
}

void life_test_set_now(struct vm *vm, enum vm_now now)
{
	vm->life.now = now;
}

int life_test_raise(struct vm *vm, enum life_event ev, const struct life_news *n)
{
	return life_event(vm, ev, n);
}

void life_test_make_building(struct vm *vm, const uint8_t uuid[16], uint32_t domid)
{
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	vm->life.now = NOW_BUILDING;
	vm->slot.domid = domid;
}

void life_test_make_ended(struct vm *vm, const char *name, const uint8_t uuid[16],
			  uint64_t ended_ns)
{
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	life_test_set_name(vm, name);
	vm->life.now = NOW_ENDED;
	vm->ended_ns = ended_ns;
}

void life_test_set_name(struct vm *vm, const char *name)
{
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
}

void life_test_ran(struct vm *vm, uint64_t ns)
{
	vm->started_ns -= ns;
}

struct teardown_wait *life_test_teardown_wait(struct vm *vm)
{
	return &vm->teardown_wait;
}

uint32_t streams_test_count(const struct engine *en)
{
	return engine_streams(en)->n;
}

uint64_t streams_test_memory(const struct engine *en)
{
	return engine_streams(en)->memory.used;
}

uint64_t streams_test_set_most(struct engine *en, uint64_t most)
{
	uint64_t was = engine_streams(en)->memory.most;

	engine_streams(en)->memory.most = most;
	return was;
}

bool streams_test_branches(const struct engine *en)
{
	return engine_streams(en)->branches != NULL;
}

bool streams_test_restores(const struct engine *en)
{
	return engine_streams(en)->restores != NULL;
}
