/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as tests see it. */
#include "split-toolstack/engine/engine_test.h"

#include "split-toolstack/engine/open.h"

bool engine_test_is_foreign(struct engine *en, const struct xen_domain_info *info)
{
	return domain_is_foreign(en, info);
}
