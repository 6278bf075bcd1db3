/* SPDX-License-Identifier: BSD-3-Clause */
/* A process in a VM that runs an agent, by what holds the channel of that. */
#ifndef CHAOS_CLI_AGENT_H
#define CHAOS_CLI_AGENT_H

#include "chaos/cli.h"

/* What "chaos exec" ends with when there is no exit status of a command. */
#define EXIT_OWN       125 /* chaos itself failed */
#define EXIT_NOT_RUN   126 /* the command cannot be run */
#define EXIT_NOT_FOUND 127

#define AGENT_TIMEOUT_MS 60000

/*
 * Starts a process in a VM, as `words` say (join.h), with these files, which stay the caller's:
 * what is a terminal must not block (join_own_file()). Waits `timeout_ms` for the agent. Returns a
 * connection, to be closed, or a negative errno: -ENOENT and -ENOEXEC say that of the command.
 */
int agent_start(const char *vm, const json_t *words, const int files[3], int timeout_ms,
		struct err *e);
/* Of such an error. */
int agent_exit_code(int rc);

/* Waits until it ends: its exit status, or a negative errno: -EPIPE: the VM ended; -EINTR. */
int agent_wait(int connection, struct err *e);

/* "30" seconds in milliseconds; -EINVAL. */
int agent_read_timeout(const char *text);

#endif
