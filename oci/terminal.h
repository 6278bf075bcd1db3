/* SPDX-License-Identifier: BSD-3-Clause */
/* The terminal of a container: a pty whose master the engine gets. */
#ifndef CHAOS_OCI_TERMINAL_H
#define CHAOS_OCI_TERMINAL_H

#include <stdbool.h>

#include "base/err.h"

/* Opens a pty and sends its master to the socket; the other end, raw, or a negative errno. Output
 * of bare newlines looks right; not changed for a guest that does that itself (`is_cooked`). A
 * process without a terminal of its own gets it, and with it SIGWINCH. */
int terminal_open(const char *console_socket, bool is_cooked, struct err *e);

#endif
