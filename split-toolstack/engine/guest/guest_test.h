/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of this room, and change in it. */
#ifndef CHAOS_GUEST_TEST_H
#define CHAOS_GUEST_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

int console_test_swap(struct vm *vm, int fd); /* the file of its log; the one that it was */
bool console_test_broken(const struct vm *vm);
void control_test_lose_page(struct vm *vm);
struct vm *control_test_next_unheard(const struct vm *vm);
/* The page of its agent's channel, NULL: it is not connected; and how much input waits for room
 * there. */
volatile void *channel_test_page(const struct vm *vm, uint32_t *queued);
/* The guest has sent an event on it. */
void channel_test_event(struct vm *vm);
bool names_test_untold(const struct vm *vm);

#endif
