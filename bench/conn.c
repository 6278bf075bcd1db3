/* SPDX-License-Identifier: BSD-3-Clause */
/* The requests that benches send over an open connection of libchaos, timed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "bench/conn.h"

#define BACKENDS "/sys/bus/xen-backend/devices"
#define READY_S	 60

static struct chaos_reply reply; /* of the last request; replies are large */

void check(int rc, const struct chaos_error *e)
{
	if (rc < 0)
		die("%s", e->message);
}

static int open_guest(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

int open_noop(void)
{
	return open_guest(CHAOS_GUEST_DIR "/noop");
}

int open_echo(void)
{
	return open_guest(CHAOS_GUEST_DIR "/echo");
}

struct chaos *conn_open(void)
{
	struct chaos_error e = {0};
	struct chaos *c;

	check(chaos_open(&c, NULL, &e), &e);
	return c;
}

void conn_expect_way(const struct chaos_reply *r, const char *way)
{
	if (way && strcmp(r->way, way) != 0)
		die("a create went the way \"%s\" instead of \"%s\"", r->way, way);
}

/* kernel -1: the daemon opens the path itself. */
static uint64_t create(struct chaos *c, const char *name, const char *type, const char *memory,
		       const char *path, int kernel, uint32_t flags, const char *way)
{
	char set_name[64];
	char set_kernel[256];
	char set_type[16];
	char set_memory[32];
	const char *const set[] = {set_name, set_kernel, set_type, set_memory, NULL};
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint64_t start = clock_ns();
	uint64_t took;

	(void)snprintf(set_name, sizeof(set_name), "name=%s", name);
	(void)snprintf(set_kernel, sizeof(set_kernel), "kernel=%s", path);
	(void)snprintf(set_type, sizeof(set_type), "type=%s", type);
	(void)snprintf(set_memory, sizeof(set_memory), "memory=%s", memory);
	chaos_request_init(&rq, CHAOS_CREATE);
	rq.flags = flags;
	rq.set = set;
	rq.kernel_fd = kernel;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	took = clock_ns() - start;
	conn_expect_way(&reply, way);
	return took;
}

uint64_t conn_create(struct chaos *c, const char *name, const char *type, const char *memory,
		     int kernel, uint32_t flags, const char *way)
{
	return create(c, name, type, memory, CHAOS_GUEST_DIR "/noop", kernel, flags, way);
}

uint64_t conn_create_path(struct chaos *c, const char *name, const char *type, const char *memory,
			  const char *path, uint32_t flags, const char *way)
{
	return create(c, name, type, memory, path, -1, flags, way);
}

bool conn_was_warm(void)
{
	return strcmp(reply.way, "warm") == 0;
}

uint64_t conn_destroy(struct chaos *c, const char *name)
{
	uint64_t start = clock_ns();
	struct chaos_error e = {0};
	struct chaos_request rq;

	chaos_request_init(&rq, CHAOS_DESTROY);
	rq.vm = name;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

void conn_set_pool(struct chaos *c, const char *flavor)
{
	struct chaos_error e = {0};
	struct chaos_request rq;

	chaos_request_init(&rq, CHAOS_POOL_SET);
	rq.text = flavor;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
}

uint64_t conn_free_kib(struct chaos *c)
{
	struct chaos_error e = {0};
	struct chaos_request rq;

	chaos_request_init(&rq, CHAOS_HOST);
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	return reply.host.free_kib;
}

static int add_ready(const struct chaos_reply *r, void *arg)
{
	*(uint32_t *)arg += r->has_flavor ? r->flavor.ready : 0;
	return 0;
}

static uint32_t ready_shells(struct chaos *c)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint32_t sum = 0;

	chaos_request_init(&rq, CHAOS_POOL);
	check(chaos_call(c, &rq, &reply, add_ready, &sum, &e), &e);
	return sum;
}

void conn_wait_ready(struct chaos *c, uint32_t n)
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
	int rc = 0;

	while (dir && (d = dir_next(dir, &rc)) != NULL)
		n += strncmp(d->d_name, "vif-", 4) == 0;
	if (rc < 0)
		die("%s: %s", BACKENDS, strerror(-rc));
	if (dir)
		(void)closedir(dir);
	return n;
}

void conn_each_type(void (*one)(struct chaos *c, const char *type, unsigned int n), unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	struct chaos *c = conn_open();
	char flavor[64];

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(flavor, sizeof(flavor), "type=%s memory=4 count=4", types[i]);
		conn_set_pool(c, flavor);
		conn_wait_ready(c, 4);
		one(c, types[i], n);
		(void)snprintf(flavor, sizeof(flavor), "type=%s memory=4 count=0", types[i]);
		conn_set_pool(c, flavor);
	}
	chaos_close(c);
}
