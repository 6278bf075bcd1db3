/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a VM is in its life, and what that means to others. */
#ifndef CHAOS_ENGINE_LIFE_STATE_H
#define CHAOS_ENGINE_LIFE_STATE_H

#include <stdbool.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/life/state-t.h"

/* What clients see, and what is recorded unless it is VM_UNKNOWN. */
enum vm_state life_state(const struct vm_life *l);

/* Threads use its configuration, files and image, and call back when they are done. */
static inline bool life_has_threads(const struct vm_life *l)
{
	return l->now == NOW_BUILDING || l->now == NOW_ABANDONED ||
	       ((l->now == NOW_NEW || l->now == NOW_WAITING) && l->wait == WAIT_IMAGE);
}

/* Its domain is one that runs, or has run, and is not to go. */
static inline bool life_has_domain(const struct vm_life *l)
{
	return l->now == NOW_GATED || l->now == NOW_RUNNING || l->now == NOW_PAUSED ||
	       l->now == NOW_PRESERVED;
}

static inline bool life_is_over(const struct vm_life *l)
{
	return l->now == NOW_ENDED || l->now == NOW_ABANDONED;
}

/* Built, and its create waits for the backends of its devices. */
static inline bool life_create_waits(const struct vm_life *l)
{
	return l->now == NOW_GATED && l->gate_until != 0.;
}

#endif
