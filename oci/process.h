/* SPDX-License-Identifier: BSD-3-Clause */
/* A process beside a container's own, as "process" of config.json. */
#ifndef CHAOS_OCI_PROCESS_H
#define CHAOS_OCI_PROCESS_H

#include <jansson.h>

#include "base/err.h"

/* As `base` (NULL: of a VM that is no container), with what `words` say instead: join.h has their
 * form. The caller's; NULL: they say it wrongly. */
json_t *process_beside(const json_t *base, const json_t *words, struct err *e);

#endif
