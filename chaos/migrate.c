/* SPDX-License-Identifier: BSD-3-Clause */
/* What both ends of a migration share. */
#include "chaos/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define AGAIN_MS 20

bool migrate_is_cut(int rc)
{
	return rc == -ECONNRESET || rc == -EPIPE || rc == -ECONNREFUSED || rc == -ENOENT;
}

static int request_once(struct client *c, enum proto_op op, const char *uuid, uint32_t flags,
			struct wire_in *in, struct err *e)
{
	int rc = c->fd < 0 ? client_open(c, NULL, e) : 0;

	if (rc == 0)
		rc = ask(c, op, uuid, flags, e);
	if (rc == 0)
		rc = client_finish(c, in, NULL, NULL, e);
	return rc;
}

int migrate_insist(struct client *c, enum proto_op op, const char *uuid, uint32_t flags,
		   struct wire_in *in, struct err *e)
{
	uint64_t until = clock_ns() + DAEMON_MS * 1000000ull;
	int rc;

	while ((rc = request_once(c, op, uuid, flags, in, e)) < 0 && clock_ns() < until) {
		if (!migrate_is_cut(rc) && rc != -EAGAIN)
			break;
		client_close(c);
		c->fd = -1;
		(void)poll(NULL, 0, AGAIN_MS);
	}
	return rc;
}

void migrate_boot(char text[MIGRATE_BOOT])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, MIGRATE_BOOT - 1);

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void migrate_warn(void)
{
	(void)fprintf(stderr, "chaos: warning: the VM's memory crosses the network as it is, and "
			      "it can be read and changed there: use ssh or a TLS proxy\n");
}
