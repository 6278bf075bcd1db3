/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes beside those of a VM: what "chaos exec" and "chaos cp" say to the program that holds
 * the channel of the VM's agent, a container's monitor or "chaos-oci hold". */
#ifndef CHAOS_JOIN_H
#define CHAOS_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"

/* root's alone: a socket, or a link to one, for each VM whose channel is held, by its uuid. */
#define JOIN_FOLDER "/run/chaos-exec"

/*
 * Packets over a SOCK_SEQPACKET socket. RUN and EXEC come with files: the process as JSON, its
 * standard input, output and errors. RUN is answered when it was taken, EXEC (of engines) is not;
 * both when the process has started, and when it has ended: `rc` is its exit status then. KILL and
 * WINDOW on the same connection are for that process, as long as it runs; the connection's end ends
 * it.
 *
 * MAKE and LEAVE are for the monitor of a pod, with files as EXEC: a container of it is made, of
 * what the JSON says of its root ("container", its name; "image", the disk of its lowest layer;
 * "mounts", "readonly", "pids") and of an archive in place of the standard input; or it ends. Both
 * are answered when that was done. EXEC has "container" then, too.
 *
 * The JSON of RUN: "args"; "env", which replaces variables of the same names; "cwd"; "user", a name
 * or a number, with ":group" or without; "terminal". What is missing is as the container's own. Or
 * "copy": "send" or "receive" of files as a stream (tree.h), with a path and for "receive" a name
 * as args.
 */
enum control_op {
	CONTROL_START = 1,
	CONTROL_KILL,
	CONTROL_EXEC,
	CONTROL_WINDOW,
	CONTROL_RUN,
	CONTROL_MAKE,
	CONTROL_LEAVE
};
#define CONTROL_FILES 4

struct control_request {
	uint32_t op;	 /* enum control_op */
	uint32_t number; /* of a signal */
};

/* To RUN, -ENOENT says that there is no such command, -ENOEXEC that it cannot be run. */
struct control_answer {
	int32_t rc; /* 0 or more, or a negative errno with a message */
	char message[ERR_MSG_MAX];
};

/* The path of a VM's socket. */
#define JOIN_PATH (sizeof(JOIN_FOLDER) + UUID_TEXT)
void join_path(const char *uuid, char path[JOIN_PATH]);

/* What holds a VM's channel, as long as it does. Opens the folder, made if need be, and waits until
 * no other program changes it: a descriptor to be closed. */
int join_lock(struct err *e);
/* Removes what stands there for the VM, of one that has ended. Nothing there is fine. */
void join_remove(const char *uuid);

/* Waits for an answer, at most `ms` (-1: as long as it takes). -EPIPE: the connection is at its
 * end; -ETIMEDOUT; -EINTR. What the answer says is in *a. */
int join_hear(int fd, int ms, struct control_answer *a);
/* Sends a request without files, if there is room: a signal handler may. */
void join_tell(int fd, enum control_op op, uint32_t number);

/* A description of a file that is no other program's: a terminal's never blocks, a flag which all
 * that share one have. -1 and errno. */
int join_own_file(int fd);
/* Standard input is raw until the end of this program, when it is a terminal. */
void join_raw(void);

#endif
