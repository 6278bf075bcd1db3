/* SPDX-License-Identifier: BSD-3-Clause */
/* The stream between two hosts: a program's standard input and output, or a socket. */
#ifndef CHAOS_CHAOS_MIGRATE_LINK_H
#define CHAOS_CHAOS_MIGRATE_LINK_H

#include <sys/types.h>

#include "base/err.h"

struct link {
	int in, out; /* the same for a socket; -1: closed */
	pid_t child; /* 0: there is none */
};

/* Each of them: 0, and link_close() is due; or -errno, and nothing is open. */
/* A program, ended with the caller. */
int link_run(struct link *l, const char *const argv[], struct err *e);
/* "1.2.3.4:5", "[::1]:5"; numbers only. */
int link_tcp(struct link *l, const char *where, struct err *e);
int link_unix(struct link *l, const char *path, struct err *e);
/* Waits for one connection: at an address as above, or at the path of a socket (with a slash), of
 * mode 0600, which is removed when it has come. */
int link_listen(struct link *l, const char *where, struct err *e);
/* Standard input and output. -EINVAL: a terminal. */
int link_std(struct link *l, struct err *e);
/* Ends the program, too, if it does not end by itself. Its exit status, 128 + the signal that has
 * ended it, or 0. */
int link_close(struct link *l);

#endif
