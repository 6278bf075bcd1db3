/* SPDX-License-Identifier: BSD-3-Clause */
/* Which domains died: VIRQ_DOM_EXC when no xenstored owns it; beside xenstored, hints and a poll
 * (ADR 0002). */
#ifndef CHAOS_ENGINE_SERVICES_DEATHS_H
#define CHAOS_ENGINE_SERVICES_DEATHS_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"
#include "base/xen.h"
#include "split-toolstack/engine/services/store_mode.h"

struct deaths;
struct ports;

/* One scan of all domains; scans have numbers from 1 on. Both are called on the loop. */
struct deaths_ops {
	/* There is this domain, which may be shut down or dying. */
	void (*seen)(void *arg, uint32_t scan, const struct xen_domain_info *info);
	/* All were told: a domain that was not seen and is older than `start` (clock_ns) is gone.
	 * Not called when Xen could not be asked for all: it is scanned again. */
	void (*over)(void *arg, uint32_t scan, uint64_t start);
	/* Whether any domain is waited for: else it need not be looked for. */
	bool (*any)(void *arg);
};

/* Hears of deaths from now on. `mode`: STORE_AUTO is decided here. `ops` stay. On failure nothing
 * is left. */
int deaths_open(struct ev_loop *loop, struct xen *x, struct ports *ports, enum store_mode mode,
		const struct deaths_ops *ops, void *arg, struct deaths **out, struct err *e);
void deaths_close(struct deaths *d); /* NULL is fine */
/* As it was decided. */
enum store_mode deaths_mode(const struct deaths *d);
/* A domain may be dying, or may die from now on: look soon (beside xenstored). */
void deaths_hint(struct deaths *d);
void deaths_scan(struct deaths *d);

#endif
