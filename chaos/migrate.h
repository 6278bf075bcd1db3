/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by both ends of a migration: requests to chaosd, which may be killed and restarted
 * meanwhile. */
#ifndef CHAOS_CHAOS_MIGRATE_H
#define CHAOS_CHAOS_MIGRATE_H

#include "chaos/cli.h"
#include "chaos/migrate_frame.h"
#include "chaos/migrate_link.h"

/* Time for a killed chaosd to come back, when only chaosd can say what happened to a VM. */
#define DAEMON_MS 30000

/* Sends a request about a VM until this chaosd or the next one answers it: repeats it if the
 * connection breaks, and while the VM is not adopted yet. Closes and opens `c`. */
int migrate_insist(struct client *c, enum proto_op op, const char *uuid, uint32_t flags,
		   struct wire_in *in, struct err *e);
/* Whether the error is a broken connection, and not an answer of chaosd. */
bool migrate_is_cut(int rc);

/* Identifies the current boot of this host; "": not known. */
void migrate_boot(char text[MIGRATE_BOOT]);

/* The connection to the other host, from the options. */
struct migrate_way {
	const char *command, *tcp, *unix_path, *host;
	const char *disk; /* with a host: passed to its migrate-receive; NULL: not given */
	bool paths;	  /* likewise */
};

/* Prints the warning about "--tcp", or "--listen" at an address, on standard error. */
void migrate_warn(void);

#endif
