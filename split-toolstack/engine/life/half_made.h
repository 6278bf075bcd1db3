/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains that the last daemon had half made. */
#ifndef CHAOS_ENGINE_LIFE_HALF_MADE_H
#define CHAOS_ENGINE_LIFE_HALF_MADE_H

#include <stdbool.h>

struct census;
struct engine;
struct half_made;
struct vm;
struct xen_domain_info;

/* Ends what there is of a VM that was half made, and its record. Where Xen cannot be asked it
 * becomes one of *kept. */
void half_made_clean(struct vm *vm, struct half_made **kept, const struct census *census);
/* Tries it with those once more. */
void half_made_again(struct engine *en, struct half_made **kept);
bool half_made_has(const struct half_made *kept, const struct xen_domain_info *info);
/* Without a word to Xen: the next daemon goes on with them. */
void half_made_free(struct half_made **kept);

#endif
