/* SPDX-License-Identifier: BSD-3-Clause */
/* What both ends of a migration share: chaosd, which may be killed and started again meanwhile. */
#ifndef CHAOS_CHAOS_MIGRATE_H
#define CHAOS_CHAOS_MIGRATE_H

#include "chaos/cli.h"
#include "chaos/migrate_frame.h"
#include "chaos/migrate_link.h"

/* So long a killed chaosd has to be there again, when only it can say what has become of a VM. */
#define DAEMON_MS 30000

/* One request about a VM, answered by this chaosd or the next one: asked again when the connection
 * breaks, and while the VM is not taken over yet. Closes and opens `c`. */
int migrate_insist(struct client *c, enum proto_op op, const char *uuid, uint32_t flags,
		   struct wire_in *in, struct err *e);
/* A connection that broke, and not chaosd that refused. */
bool migrate_is_cut(int rc);

/* Which boot of which host this is; "": not known. */
void migrate_boot(char text[MIGRATE_BOOT]);

/* The way to the other host that the options say. */
struct migrate_way {
	const char *command, *tcp, *unix_path, *host;
	const char *disk; /* with a host: for its migrate-receive; NULL: not given */
	bool paths;	  /* likewise */
};

/* "--tcp" or "--listen" at an address: on standard error. */
void migrate_warn(void);

#endif
