/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's socket: accepts clients, and calls a table of operations for their requests. */
#ifndef CHAOS_SERVER_H
#define CHAOS_SERVER_H

#include "split-toolstack/chaosd/request.h"

struct server;

#define CLIENTS_MAX 1024u

struct server_conf {
	const char *path;
	const char *group; /* of the socket; "": only root */
	int listen_fd;	   /* from the service manager, or -1 */
	const struct operations *ops;
};

int server_open(struct ev_loop *loop, struct engine *en, const struct server_conf *conf,
		struct server **out, struct err *e);
void server_close(struct server *s);
uint32_t server_clients(const struct server *s);

#endif
