/* SPDX-License-Identifier: BSD-3-Clause */
/* The terminal of a container: a pty whose master the engine gets. */
#ifndef CHAOS_OCI_TERMINAL_H
#define CHAOS_OCI_TERMINAL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* Opens a pty and sends its master to the socket; the other end, raw, or a negative errno. Output
 * of bare newlines looks right; not changed for a guest that does that itself (`is_cooked`). It has
 * the size that `process` (NULL: none) says, and never blocks. A process without a terminal of its
 * own that leads a session gets it, and with it SIGWINCH. */
int terminal_open(const char *console_socket, bool is_cooked, const json_t *process, struct err *e);

#endif
