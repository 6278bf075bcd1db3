/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests change of the engine. */
#ifndef CHAOS_ENGINE_PARTS_TEST_H
#define CHAOS_ENGINE_PARTS_TEST_H

#include "split-toolstack/engine/engine.h"

struct engine_conf *engine_test_settings(struct engine *en);

#endif
