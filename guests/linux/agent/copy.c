/* SPDX-License-Identifier: BSD-3-Clause */
/* A process of the agent's own that sends or receives files: as a stream (tree.h) over its standard
 * output or input. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guests/linux/tree/tree.h"

static ssize_t take(void *arg, void *to, size_t room)
{
	ssize_t n;

	(void)arg;
	do {
		n = read(0, to, room);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int give(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	while (len) {
		ssize_t n = write(1, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes = (const char *)bytes + n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void left_out(const char *name, const char *why)
{
	(void)fprintf(stderr, "\"%.300s\" is left out: %s\n", name, why);
}

static int receive(const struct spec *s, struct tree_fault *f)
{
	const struct tree_rules rules = {
		.owners = true, .set_ids = true, .links = true, .left_out = left_out};
	struct tree_in in = {.read = take, .bytes_max = UINT64_MAX};
	struct tree_count count = {0};
	const char *name = NULL;
	int dir = tree_place(s->arg.text[0], s->arg.n > 1 ? s->arg.text[1] : NULL, &name, f);

	return dir < 0 ? dir : tree_make(&in, dir, name, &rules, &count, f);
}

int copy_run(const struct spec *s)
{
	struct tree_out out = {.write = give, .left_out = left_out};
	struct tree_count count = {0};
	struct tree_fault f = {0};
	int rc;

	for (int fd = 3; fd < 1024; fd++) /* no program takes its place, which would close them */
		(void)close(fd);
	rc = strcmp(s->copy, "receive") == 0 ? receive(s, &f)
					     : tree_send(&out, s->arg.text[0], &count, &f);

	if (rc < 0)
		(void)fprintf(stderr, "%s\n", f.text);
	return rc < 0;
}
