/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's socket on the fake hypervisor, its clients in the same loop. */
#ifndef CHAOS_SERVER_HELP_H
#define CHAOS_SERVER_HELP_H

#include "tests/unit/engine/engine_help.h"

#include "split-toolstack/chaosd/server.h"
#include "split-toolstack/protocol/client.h"

extern char path[64]; /* of the socket */
extern struct server *server;

int open_server(void **state);
int close_server(void **state);
#define SERVER(f) cmocka_unit_test_setup_teardown(f, open_server, close_server)

void connects(struct client *c);
bool readable(const struct client *c);
void ask(struct client *c, enum proto_op op);
/* About the VM `name`; flags 0: none. */
void ask_about(struct client *c, enum proto_op op, const char *name, uint32_t flags);
void ask_create(struct client *c, const char *name);
/* Turns the loop until the answer is there. */
void answered(struct client *c);
/* Takes the events that have come; how many. Their numbers rise by one. */
uint32_t hear(struct client *c, uint64_t *last);

#endif
