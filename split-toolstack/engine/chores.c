/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine does while no request comes, in this order. */
#include <stdlib.h>

#include "base/random.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/open.h"
#include "split-toolstack/engine/parts/engine-t.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/slots.h"

#define TRIM_AT_ONCE  4u
#define NAMES_AT_ONCE 1u
#define HEAP_AHEAD    (64u << 10)

static enum idle_next close_windows(void *arg)
{
	mappings_close(arg);
	return IDLE_DONE;
}

/* The heap's next pages are touched now, not by the next create. */
static enum idle_next touch_heap(void *arg)
{
	volatile uint8_t *p = malloc(HEAP_AHEAD);

	(void)arg;
	for (uint32_t i = 0; p && i < HEAP_AHEAD; i += 4096)
		p[i] = 0;
	free((void *)(uintptr_t)p);
	return IDLE_DONE;
}

static enum idle_next stock_random(void *arg)
{
	(void)arg;
	random_stock();
	return IDLE_DONE;
}

static enum idle_next notify_devices(void *arg)
{
	devices_tell(arg);
	return IDLE_DONE;
}

static enum idle_next reap_shells(void *arg)
{
	pool_reap(arg);
	return IDLE_DONE;
}

static enum idle_next settle_registry(void *arg)
{
	return registry_settle(((struct engine *)arg)->registry) ? IDLE_MORE : IDLE_DONE;
}

static enum idle_next settle_names(void *arg)
{
	return names_settle(arg, NAMES_AT_ONCE) ? IDLE_MORE : IDLE_DONE;
}

static enum idle_next trim_history(void *arg)
{
	return history_trim(arg, TRIM_AT_ONCE) ? IDLE_ALONE : IDLE_DONE;
}

static enum idle_next refill_pool(void *arg)
{
	return pool_refill(arg);
}

static enum idle_next refill_slots(void *arg)
{
	return slots_refill(((struct engine *)arg)->slots) ? IDLE_MORE : IDLE_DONE;
}

int chores_open(struct engine *en, struct err *e)
{
	static idle_chore *const chores[] = {
		close_windows, touch_heap,   notify_devices, reap_shells,  settle_registry,
		settle_names,  trim_history, refill_pool,    refill_slots, stock_random};

	return idle_open(en->loop, chores, sizeof(chores) / sizeof(chores[0]), en, &en->idle, e);
}
