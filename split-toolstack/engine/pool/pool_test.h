/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of this room, and change in it: of its first flavor. */
#ifndef CHAOS_POOL_TEST_H
#define CHAOS_POOL_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

uint32_t pool_test_broken(const struct engine *en);
uint32_t pool_test_connecting(const struct engine *en);
uint32_t pool_test_connecting_domid(const struct engine *en);	 /* of the first; 0: none is */
uint32_t pool_test_domid(const struct engine *en, uint32_t nth); /* of a shell; 0: there is none */
void *pool_test_pages(const struct engine *en);	 /* device and control page of the first shell */
void pool_test_look_at_gates(struct engine *en); /* at the CPU time used there */

#endif
