/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices ended domains: by VIRQ_DOM_EXC if no xenstored has bound it; beside xenstored by hints
 * and polling (ADR 0002). */
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

/* Called on the loop for each scan of all domains; scans are numbered from 1. */
struct deaths_ops {
	/* Called for each domain; it may be shut down or dying. */
	void (*seen)(void *arg, uint32_t scan, const struct xen_domain_info *info);
	/* Called at the end: a domain that was not seen and was made before `start` (clock_ns)
	 * does not exist any more. Not called if Xen did not return all domains; then there is
	 * another scan. */
	void (*over)(void *arg, uint32_t scan, uint64_t start);
	/* Whether the end of any domain matters; if not, no scan is needed. */
	bool (*any)(void *arg);
};

/* Begins to notice ended domains. `mode`: with STORE_AUTO the mode is decided here. `ops` must
 * exist as long. On failure nothing is left. */
int deaths_open(struct ev_loop *loop, struct xen *x, struct ports *ports, enum store_mode mode,
		const struct deaths_ops *ops, void *arg, struct deaths **out, struct err *e);
void deaths_close(struct deaths *d); /* NULL is allowed */
/* The mode that is used. */
enum store_mode deaths_mode(const struct deaths *d);
/* A domain may be dying, or was just started: scan soon (only beside xenstored). */
void deaths_hint(struct deaths *d);
void deaths_scan(struct deaths *d);

#endif
