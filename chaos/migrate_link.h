/* SPDX-License-Identifier: BSD-3-Clause */
/* The stream between two hosts: standard input and output of a program, or a socket. */
#ifndef CHAOS_CHAOS_MIGRATE_LINK_H
#define CHAOS_CHAOS_MIGRATE_LINK_H

#include <sys/types.h>

#include "base/err.h"

struct link {
	int in, out; /* the same descriptor for a socket; -1: closed */
	pid_t child; /* 0: none */
};

/* These return 0, and link_close() must be called; or -errno, and nothing is open. */
/* Runs a program, which is ended with the caller. */
int link_run(struct link *l, const char *const argv[], struct err *e);
/* Connects to "1.2.3.4:5" or "[::1]:5"; only numbers. */
int link_tcp(struct link *l, const char *where, struct err *e);
int link_unix(struct link *l, const char *path, struct err *e);
/* Waits for one connection: at such an address, or at the path of a socket (with a slash), mode
 * 0600, which is removed when a client has connected. */
int link_listen(struct link *l, const char *where, struct err *e);
/* Uses standard input and output. -EINVAL: a terminal. */
int link_std(struct link *l, struct err *e);
/* Closes the stream, and ends the program if it does not end by itself. Returns its exit status,
 * 128 + the signal that has ended it, or 0. */
int link_close(struct link *l);

#endif
