/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of this room, and change in it. */
#ifndef CHAOS_LIFE_TEST_H
#define CHAOS_LIFE_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct teardown_wait;
struct vm;

double life_test_connect_until(const struct vm *vm);
void life_test_set_connect_until(struct vm *vm, double until);
struct teardown_wait *life_test_teardown_wait(struct vm *vm);

/* Saves, restores and branches under way, and the memory for states. */
uint32_t streams_test_count(const struct engine *en);
uint64_t streams_test_memory(const struct engine *en);
uint64_t streams_test_set_most(struct engine *en, uint64_t most); /* what it was */
bool streams_test_branches(const struct engine *en);
bool streams_test_restores(const struct engine *en);

#endif
