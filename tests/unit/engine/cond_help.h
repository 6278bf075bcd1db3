/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a thread waits, for units with the wrap "pthread_cond_wait". */
#ifndef CHAOS_COND_HELP_H
#define CHAOS_COND_HELP_H

#include <stdatomic.h>

extern atomic_int cond_waits; /* number of waits that have begun */

#endif
