/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks of config.json. */
#ifndef CHAOS_OCI_HOOKS_H
#define CHAOS_OCI_HOOKS_H

#include "oci/state.h"

/* Runs the hooks of a kind, one after the other, with the state on their standard input; each has
 * its timeout, or a minute. The first one that fails ends it: a negative errno and which. */
int hooks_run(const struct bundle *b, const struct container *c, const char *kind,
	      enum oci_status s, struct err *e);
/* Those before the container is there, in their order. */
int hooks_run_first(const struct bundle *b, const struct container *c, struct err *e);
bool hooks_has_first(const struct bundle *b);

#endif
