/* SPDX-License-Identifier: BSD-3-Clause */
/* The terminal of a container: a pty whose master the engine gets. */
#ifndef CHAOS_OCI_TERMINAL_H
#define CHAOS_OCI_TERMINAL_H

#include "base/err.h"

/* Opens a pty and sends its master to the socket; the other end, raw, or a negative errno. */
int terminal_open(const char *console_socket, struct err *e);

#endif
