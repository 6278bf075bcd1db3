/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's Unix socket: dom0's tools speak the protocol of the rings on it. */
#ifndef CHAOS_STORE_SOCKET_H
#define CHAOS_STORE_SOCKET_H

#include <ev.h>

#include "base/err.h"

struct store;
struct storesocket;

/* Listens at `path`, whose folder is made, and serves `s`, which outlives the socket. */
int storesocket_open(struct ev_loop *loop, struct store *s, const char *path,
		     struct storesocket **out, struct err *e);
/* Ends all connections and removes the path; NULL is fine. */
void storesocket_close(struct storesocket *ss);

#endif
