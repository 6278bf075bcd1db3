/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions for unit tests that change the engine. */
#include "split-toolstack/engine/parts/parts_test.h"

#include "split-toolstack/engine/parts/engine-t.h"

struct engine_conf *engine_test_settings(struct engine *en)
{
	return &en->conf;
}
