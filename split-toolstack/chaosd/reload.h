/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings that are read again while chaosd runs. */
#ifndef CHAOS_RELOAD_H
#define CHAOS_RELOAD_H

#include "split-toolstack/chaosd/settings.h"

/*
 * Takes what can change while VMs run (settings.c has which). Flavors that the old settings had and
 * the new ones have not end; those that clients made stay. `now` gets what was taken; `fresh` stays
 * the caller's, to be cleared. What cannot change is logged, and so is a flavor that is refused.
 */
void reload_settings(struct engine *en, struct settings *now, struct settings *fresh);
/* At the start: the flavors of the settings. One that is refused (its image or snapshot is missing)
 * is logged and leaves the list: VMs that run need their daemon more than that. */
void reload_pool(struct engine *en, struct vmcfg_list *pool);

#endif
