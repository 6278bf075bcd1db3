/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of the keys in an xl.cfg text, which libxlutil cannot list. Pure. */
#ifndef CHAOS_CFGLEX_H
#define CHAOS_CFGLEX_H

#include <stddef.h>

#include "base/err.h"

#define CFGLEX_KEY_MAX 64

/* Calls fn for each `key =` at the beginning of a statement, in order; a negative return ends it
 * and is passed on. Text that is no statement is skipped: libxlutil complains of it better. A key
 * longer than CFGLEX_KEY_MAX - 1 is refused. Syntax: xl.cfg(5). */
int cfglex_keys(const char *text, size_t len, int (*fn)(const char *key, void *arg, struct err *e),
		void *arg, struct err *e);

#endif
