/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pool spares a Linux of 112 MiB: until the reply, not started (how long it boots is its
 * own). */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/conn.h"

#define MEMORY	 "112"
#define REFILL_S 3

static void one_way(struct chaos *c, const char *type, const char *kernel, const char *way,
		    const char *flavor, unsigned int n)
{
	static struct samples reply;
	char text[384];
	char metric[64];

	(void)snprintf(text, sizeof(text), "type=%s memory=" MEMORY " count=1 %s", type, flavor);
	if (*flavor)
		conn_set_pool(c, text);
	reply.n = 0;
	for (unsigned int i = 0; i < n + 1; i++) {
		uint64_t t;

		(void)sleep(REFILL_S);
		t = conn_create_path(c, "bench", type, MEMORY, kernel, CHAOS_PAUSED, way);
		(void)conn_destroy(c, "bench");
		if (i >= 1)
			samples_add(&reply, t);
	}
	(void)snprintf(text, sizeof(text), "type=%s memory=" MEMORY " count=0 %s", type, flavor);
	if (*flavor)
		conn_set_pool(c, text);
	(void)snprintf(metric, sizeof(metric), "%s_linux_%s_112m", way, type);
	samples_print(&reply, "linux", metric);
}

void bench_linux(unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	char image[300];
	struct chaos *c = conn_open();
	glob_t found;

	if (glob("/boot/vmlinuz-*", 0, NULL, &found) != 0)
		die("there is no /boot/vmlinuz-*");
	(void)snprintf(image, sizeof(image), "image=%.250s", found.gl_pathv[0]);
	for (size_t i = 0; i < 2; i++) {
		one_way(c, types[i], found.gl_pathv[0], "cold", "", n);
		one_way(c, types[i], found.gl_pathv[0], "shell", "for=linux", n);
		one_way(c, types[i], found.gl_pathv[0], "warm", image, n);
	}
	chaos_close(c);
	globfree(&found);
}
