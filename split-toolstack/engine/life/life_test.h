/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of this room, and change in it. */
#ifndef CHAOS_LIFE_TEST_H
#define CHAOS_LIFE_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/vm/state.h"

struct teardown_wait;

enum vm_now life_test_now(const struct vm *vm);
enum vm_wait life_test_wait(const struct vm *vm);
enum vm_want life_test_want(const struct vm *vm);
bool life_test_kept(const struct vm *vm);
bool life_test_is_over(const struct vm *vm);
double life_test_connect_until(const struct vm *vm);
void life_test_set_connect_until(struct vm *vm, double until);
void life_test_set_now(struct vm *vm, enum vm_now now);
int life_test_raise(struct vm *vm, enum life_event ev, const struct life_news *n);
/* A new one that is being built with this id to come, or has ended; in no list. */
void life_test_make_building(struct vm *vm, const uint8_t uuid[16], uint32_t domid);
void life_test_make_ended(struct vm *vm, const char *name, const uint8_t uuid[16],
			  uint64_t ended_ns);
void life_test_set_name(struct vm *vm, const char *name); /* in no list */
/* It has run for so much longer. */
void life_test_ran(struct vm *vm, uint64_t ns);
struct teardown_wait *life_test_teardown_wait(struct vm *vm);

/* Saves, restores and branches under way, and the memory for states. */
uint32_t streams_test_count(const struct engine *en);
uint64_t streams_test_memory(const struct engine *en);
uint64_t streams_test_set_most(struct engine *en, uint64_t most); /* what it was */
bool streams_test_branches(const struct engine *en);
bool streams_test_restores(const struct engine *en);

#endif
