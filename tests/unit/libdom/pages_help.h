/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a guest on the fake hypervisor, all bytes of which are the same. */
#ifndef CHAOS_UNIT_PAGES_HELP_H
#define CHAOS_UNIT_PAGES_HELP_H

#include <stdint.h>

#define PAGE 4096u

void fill(uint32_t domid, uint64_t gfn, int byte);
int first_byte(uint32_t domid, uint64_t gfn);

#endif
