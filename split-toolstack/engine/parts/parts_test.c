/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as tests change it. */
#include "split-toolstack/engine/parts/parts_test.h"

#include "split-toolstack/engine/parts/engine-t.h"

struct engine_conf *engine_test_settings(struct engine *en)
{
	return &en->conf;
}
