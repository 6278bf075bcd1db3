/* SPDX-License-Identifier: BSD-3-Clause */
/* A flavor of the pool as text: "type=pv memory=256K vcpus=1 count=8 image=/path". */
#ifndef CHAOS_POOLCFG_H
#define CHAOS_POOLCFG_H

#include "split-toolstack/vmcfg/vmcfg.h"

/* Words between spaces or commas; memory and count (or low and high) must be there, with `from` the
 * latter alone. What is malloced is freed by poolcfg_clear(); nothing is after an error. -EINVAL
 * names the word, its value and what may be given. */
int poolcfg_parse(const char *text, struct pool_flavor *out, struct err *e);
void poolcfg_clear(struct pool_flavor *f);

#endif
