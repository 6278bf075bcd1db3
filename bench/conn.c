/* SPDX-License-Identifier: BSD-3-Clause */
/* The requests that benches send over an open connection, timed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define BACKENDS "/sys/bus/xen-backend/devices"
#define READY_S	 60

void check(int rc, const struct err *e)
{
	if (rc < 0)
		die("%s", err_msg(e));
}

int open_noop(void)
{
	int fd = open(CHAOS_GUEST_DIR "/noop", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s/noop: %s", CHAOS_GUEST_DIR, strerror(errno));
	return fd;
}

/* kernel -1: the daemon opens the path itself. */
static uint64_t create(struct client *c, const char *name, const char *type, const char *memory,
		       const char *path, int kernel, uint32_t flags, const char *way)
{
	uint64_t start = clock_ns();
	uint64_t took;
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[256];

	client_begin(c, &w, PROTO_REQ_CREATE);
	wire_u32(&w, PROTO_FLAGS, flags);
	(void)snprintf(text, sizeof(text), "name=%s", name);
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "kernel=%s", path);
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "type=%s", type);
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "memory=%s", memory);
	wire_text(&w, PROTO_SET, text);
	if (kernel >= 0)
		wire_u32(&w, PROTO_KERNEL_FD, 0);
	check(client_send(c, &w, &kernel, kernel >= 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	took = clock_ns() - start;
	if (way && (!wire_get_text(&in, PROTO_WAY, text, sizeof(text)) || strcmp(text, way) != 0))
		die("a create went the way \"%s\" instead of \"%s\"", text, way);
	return took;
}

uint64_t conn_create(struct client *c, const char *name, const char *type, const char *memory,
		     int kernel, uint32_t flags, const char *way)
{
	return create(c, name, type, memory, CHAOS_GUEST_DIR "/noop", kernel, flags, way);
}

uint64_t conn_create_path(struct client *c, const char *name, const char *type, const char *memory,
			  const char *path, uint32_t flags, const char *way)
{
	return create(c, name, type, memory, path, -1, flags, way);
}

uint64_t conn_destroy(struct client *c, const char *name)
{
	uint64_t start = clock_ns();
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, PROTO_REQ_DESTROY);
	wire_text(&w, PROTO_WHAT, name);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

void conn_set_pool(struct client *c, const char *flavor)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, PROTO_REQ_POOL_SET);
	wire_text(&w, PROTO_TEXT, flavor);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
}

static int add_ready(const struct wire_in *item, void *arg)
{
	uint32_t *sum = arg;
	struct wire_field f;
	struct wire_in in;

	if (wire_find(item, PROTO_FLAVOR, &f) && wire_nested(&in, &f) == 0)
		*sum += wire_get_u32(&in, PROTO_READY, 0);
	return 0;
}

static uint32_t ready_shells(struct client *c)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	uint32_t sum = 0;

	client_begin(c, &w, PROTO_REQ_POOL);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, add_ready, &sum, &e), &e);
	return sum;
}

void conn_wait_ready(struct client *c, uint32_t n)
{
	uint64_t end = clock_ns() + READY_S * 1000000000ull;
	uint32_t ready;

	while ((ready = ready_shells(c)) < n) {
		if (clock_ns() > end)
			die("the pool did not get its %u shells", n);
		/* to ask costs chaosd time, too: not often before the end is near */
		(void)usleep(n - ready > 4 ? 10000 : 500);
	}
}

unsigned int vif_backends(void)
{
	DIR *dir = opendir(BACKENDS);
	const struct dirent *d;
	unsigned int n = 0;

	while (dir && (d = readdir(dir)) != NULL)
		n += strncmp(d->d_name, "vif-", 4) == 0;
	if (dir)
		(void)closedir(dir);
	return n;
}
