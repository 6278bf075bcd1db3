/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains that the last daemon had not finished. */
#ifndef CHAOS_ENGINE_LIFE_HALF_MADE_H
#define CHAOS_ENGINE_LIFE_HALF_MADE_H

#include <stdbool.h>

struct census;
struct engine;
struct half_made;
struct vm;
struct xen_domain_info;

/* Removes an unfinished VM and its record. If the call to Xen fails, it is added to *kept. */
void half_made_clean(struct vm *vm, struct half_made **kept, const struct census *census);
/* Tries again with those in *kept. */
void half_made_again(struct engine *en, struct half_made **kept);
bool half_made_has(const struct half_made *kept, const struct xen_domain_info *info);
/* Frees the list only: the next daemon removes these domains. */
void half_made_free(struct half_made **kept);

#endif
