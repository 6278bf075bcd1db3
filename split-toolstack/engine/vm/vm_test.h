/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests change in a VM; vm/state.h has the state that it is in. */
#ifndef CHAOS_VM_TEST_H
#define CHAOS_VM_TEST_H

#include <stdint.h>

struct vm;

/* A new one that is being built with this id to come, or has ended; in no list. */
void vm_test_make_building(struct vm *vm, const uint8_t uuid[16], uint32_t domid);
void vm_test_make_ended(struct vm *vm, const char *name, const uint8_t uuid[16], uint64_t ended_ns);
void vm_test_set_name(struct vm *vm, const char *name); /* in no list */
/* It has run for so much longer. */
void vm_test_ran(struct vm *vm, uint64_t ns);

#endif
