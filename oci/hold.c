/* SPDX-License-Identifier: BSD-3-Clause */
/* hold: the channel of a VM that is no container, for "chaos exec" and "chaos cp", as long as they
 * have something to do. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unix.h"
#include "join/join.h"
#include "oci/linux.h"
#include "oci/oci.h"
#include "oci/place.h"

/* 1: another one holds it. */
static int listen_for(const char *uuid, int *listener, struct err *e)
{
	char path[JOIN_PATH];
	struct unix_listener l = {
		.path = path, .type = SOCK_SEQPACKET, .backlog = 64, .group = UNIX_NO_GROUP};
	struct stat st;
	int lock = join_lock(e);

	if (lock < 0)
		return lock;
	join_path(uuid, path);
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
		(void)close(lock);
		return err_set(e, EBUSY,
			       "the VM belongs to a container whose monitor was killed: delete the "
			       "container");
	}
	*listener = unix_listen(&l, e);
	(void)close(lock);
	return *listener == -EADDRINUSE ? 1 : *listener < 0 ? *listener : 0;
}

/* What started it waits for the end of its standard error, and goes on then. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	(void)prctl(PR_SET_NAME, "chaos-oci hold", 0, 0, 0);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
}

static int run_hold(const struct oci *o, int argc, char **argv, struct err *e)
{
	const char *uuid = oci_plain_id(argc, argv, e);
	uint8_t bytes[16];
	int listener = -1;
	int rc;

	(void)o;
	if (!uuid)
		return -EINVAL;
	if (strlen(uuid) != UUID_TEXT - 1 || uuid_read(uuid, bytes) < 0)
		return err_set(e, EINVAL, "\"%s\" is not the uuid of a VM", uuid);
	rc = listen_for(uuid, &listener, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = place_drop_rights(e);
	if (rc < 0) {
		join_remove(uuid);
		return rc;
	}
	let_go();
	return linux_hold(uuid, listener);
}

const struct verb verb_hold = {
	.name = "hold",
	.args = "UUID",
	.what = "serve \"chaos exec\" for a VM that is no container, until it "
		"is idle",
	.run = run_hold};
