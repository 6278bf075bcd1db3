/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of the engine as a whole. */
#ifndef CHAOS_ENGINE_TEST_H
#define CHAOS_ENGINE_TEST_H

#include <stdbool.h>

struct engine;
struct xen_domain_info;

bool engine_test_is_foreign(struct engine *en, const struct xen_domain_info *info);

#endif
