/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over an open connection. All end the program when they fail. */
#ifndef CHAOS_BENCH_CONN_H
#define CHAOS_BENCH_CONN_H

#include "bench/bench.h"
#include "split-toolstack/client.h"

void check(int rc, const struct err *e);
int open_noop(void);
/* Creates a VM of noop; `way` is how it must have been made, NULL: any. ns until the answer.
 */
uint64_t conn_create(struct client *c, const char *name, const char *type, const char *memory,
		     int kernel, uint32_t flags, const char *way);
/* The same of another kernel. */
uint64_t conn_create_path(struct client *c, const char *name, const char *type, const char *memory,
			  const char *path, uint32_t flags, const char *way);
uint64_t conn_destroy(struct client *c, const char *name);
/* chaos-api, kept alive: a warm create of 4 MiB. */
int http_open(void);
uint64_t http_create(int fd, const char *type);
/* As chaos pool set. */
/* Until so many shells are ready, of all flavors; dies after a minute. */
void conn_wait_ready(struct client *c, uint32_t n);
unsigned int vif_backends(void); /* that the kernel has */
void conn_set_pool(struct client *c, const char *flavor);

#endif
