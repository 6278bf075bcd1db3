/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the names of the keys in an xl.cfg text, which libxlutil cannot list. No side effects. */
#ifndef CHAOS_CFGLEX_H
#define CHAOS_CFGLEX_H

#include <stddef.h>

#include "base/err.h"

#define CFGLEX_KEY_MAX 64

/* Calls fn for each `key =` at the beginning of a statement, in order; a negative result stops
 * and is returned. Text that is not a statement is skipped, because libxlutil reports it better.
 * A key longer than CFGLEX_KEY_MAX - 1 is refused. Syntax: xl.cfg(5). */
int cfglex_keys(const char *text, size_t len, int (*fn)(const char *key, void *arg, struct err *e),
		void *arg, struct err *e);

#endif
