/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the settings again while chaosd runs. */
#ifndef CHAOS_RELOAD_H
#define CHAOS_RELOAD_H

#include "split-toolstack/chaosd/settings.h"

/* Those that the engine has, and that can change while it is open. */
struct engine_limits settings_limits(const struct settings *s);
/* Applies the settings that can change while VMs run (the table in settings.c has which).
 * Flavors that were in the old settings and are not in the new ones are removed; those that
 * clients made stay. `now` gets the new values; the caller clears `fresh`. Settings that cannot
 * change, and refused flavors, are logged. */
void reload_settings(struct engine *en, struct settings *now, struct settings *fresh);
/* At the start: adds the flavors of the settings. A flavor that is refused (its image or
 * snapshot is missing) is logged and removed from the list; chaosd starts nevertheless, because
 * VMs that run need it. */
void reload_pool(struct engine *en, struct vmcfg_list *pool);

#endif
