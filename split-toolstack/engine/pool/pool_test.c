/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of this room for unit tests. */
#include "split-toolstack/engine/pool/pool_test.h"

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"

uint32_t pool_test_broken(const struct engine *en)
{
	return engine_pool(en)->flavors->broken;
}

uint32_t pool_test_connecting(const struct engine *en)
{
	return engine_pool(en)->nconnecting;
}

uint32_t pool_test_connecting_domid(const struct engine *en)
{
	const struct shell *s = engine_pool(en)->connecting;

	return s ? s->dom.domid : 0;
}

uint32_t pool_test_domid(const struct engine *en, uint32_t nth)
{
	const struct shell *s = engine_pool(en)->flavors->shells;

	while (s && nth--)
		s = s->next;
	return s ? s->dom.domid : 0;
}

void *pool_test_pages(const struct engine *en)
{
	return engine_pool(en)->flavors->shells->map;
}

void pool_test_look_at_gates(struct engine *en)
{
	ev_invoke(engine_loop(en), &engine_pool(en)->gate_cpu, EV_TIMER);
}
