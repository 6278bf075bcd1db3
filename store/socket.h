/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's Unix socket, on which dom0's tools use the same protocol as on the rings. */
#ifndef CHAOS_STORE_SOCKET_H
#define CHAOS_STORE_SOCKET_H

#include <ev.h>

#include "base/err.h"

struct store;
struct storesocket;

/* Makes the folder of `path`, listens there, and serves `s`, which must exist longer. */
int storesocket_open(struct ev_loop *loop, struct store *s, const char *path,
		     struct storesocket **out, struct err *e);
/* Closes all connections and removes the path; NULL is allowed. */
void storesocket_close(struct storesocket *ss);

#endif
