/* SPDX-License-Identifier: BSD-3-Clause */
/* A flavor of the pool as text: "type=pv memory=256K vcpus=1 count=8 image=/path". */
#ifndef CHAOS_POOLCFG_H
#define CHAOS_POOLCFG_H

#include "split-toolstack/vmcfg/vmcfg.h"

/* Words between spaces or commas; type and memory and count must be there. `out->image` is
 * malloced. -EINVAL names the word. */
int poolcfg_parse(const char *text, struct pool_flavor *out, struct err *e);

#endif
