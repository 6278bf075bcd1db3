/* SPDX-License-Identifier: BSD-3-Clause */
/* A flavor of the pool as text: "type=pv memory=256K vcpus=1 count=8 image=/path". */
#ifndef CHAOS_POOLCFG_H
#define CHAOS_POOLCFG_H

#include "split-toolstack/vmcfg/vmcfg.h"

/* Words are separated by spaces or commas. memory and count (or low and high) must be given;
 * with `from` only the latter. poolcfg_clear() frees the memory; after an error there is none.
 * -EINVAL: the message has the word, its value and what is allowed. */
int poolcfg_parse(const char *text, struct pool_flavor *out, struct err *e);
void poolcfg_clear(struct pool_flavor *f);

#endif
