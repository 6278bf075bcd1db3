/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of this room for unit tests. */
#include "split-toolstack/engine/life/life_test.h"

#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

double life_test_connect_until(const struct vm *vm)
{
	return vm_known_life(vm)->connect_until;
}

void life_test_set_connect_until(struct vm *vm, double until)
{
	vm_life(vm)->connect_until = until;
}

struct teardown_wait *life_test_teardown_wait(struct vm *vm)
{
	return &vm_life(vm)->teardown_wait;
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
