/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over an open connection of libchaos, as users' programs send them. All end the program
 * when they fail. */
#ifndef CHAOS_BENCH_CONN_H
#define CHAOS_BENCH_CONN_H

#include "bench/bench.h"
#include "split-toolstack/libchaos/chaos.h"

void check(int rc, const struct chaos_error *e);
int open_noop(void);
int open_echo(void);
/* Ends with chaos_close(). */
struct chaos *conn_open(void);
/* Creates a VM of noop; `way` is how it must have been made, NULL: any. ns until the answer.
 */
uint64_t conn_create(struct chaos *c, const char *name, const char *type, const char *memory,
		     int kernel, uint32_t flags, const char *way);
/* The same of another kernel. */
uint64_t conn_create_path(struct chaos *c, const char *name, const char *type, const char *memory,
			  const char *path, uint32_t flags, const char *way);
/* How the last one was made. */
bool conn_was_warm(void);
uint64_t conn_destroy(struct chaos *c, const char *name);
/* The answer of a create that must have gone this way; NULL: any. */
void conn_expect_way(const struct chaos_reply *r, const char *way);
/* The same create of 4 MiB without libchaos: what a frame and a packet socket cost alone. */
struct client;
void bare_open(struct client *c); /* ends with client_close() */
uint64_t bare_create(struct client *c, const char *type, int kernel, const char *way);
/* chaos-api, kept alive: a warm create of 4 MiB. */
int http_open(void);
uint64_t http_create(int fd, const char *type);
/* Until so many shells are ready, of all flavors; dies after a minute. */
void conn_wait_ready(struct chaos *c, uint32_t n);
uint64_t conn_free_kib(struct chaos *c); /* of Xen's memory */
unsigned int vif_backends(void);	 /* that the kernel has */
/* As chaos pool set. */
void conn_set_pool(struct chaos *c, const char *flavor);
/* one() for PV and for PVH, each with four shells of 4 MiB in the pool. */
void conn_each_type(void (*one)(struct chaos *c, const char *type, unsigned int n), unsigned int n);

#endif
