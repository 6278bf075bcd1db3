/* SPDX-License-Identifier: BSD-3-Clause */
/* A Linux kernel for units, beside tests/fake/guest.c, which loads it. */
#ifndef CHAOS_KERNEL_HELP_H
#define CHAOS_KERNEL_HELP_H

#include "split-toolstack/engine/engine.h"

#define KERNEL_GFN   0x1000u /* where it lies */
#define KERNEL_PAGES 1024u

/* For the whole group of tests: the file, and its end. */
int make_kernel(void **state);
int remove_kernel(void **state);
/* A VM of it. */
struct vm_config linux_guest(const char *name, enum dom_type type, uint64_t kib);

#endif
