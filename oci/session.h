/* SPDX-License-Identifier: BSD-3-Clause */
/* What linux.c and session.c share: the monitor, and the processes in its VM. */
#ifndef CHAOS_OCI_SESSION_H
#define CHAOS_OCI_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "oci/agent.h"
#include "oci/ring.h"
#include "oci/state.h"
#include "split-toolstack/libchaos/chaos.h"

/* One output of a process, until the engine takes it: no more than the agent may send. */
struct output {
	int fd;	    /* -1: none, or it has no reader */
	bool ready; /* a write never waits */
	bool wide;  /* a pipe has as much room as the ring */
	uint32_t at, len;
	uint32_t owed; /* room to be told to the agent */
	uint32_t room; /* what the agent has of it */
	uint8_t data[RING_STREAM];
};

struct session {
	bool runs, over, terminal;
	bool pty; /* its input is a terminal of the host, whose end is a hang-up */
	int in;
	bool wide;     /* a pipe at `in` has as much room as the ring */
	json_t *makes; /* a container, of the archive at `in`, as MAKE says it; NULL */
	bool asks;     /* there is no process: the answer is all of it */
	uint32_t in_room;
	int code;
	bool no_such; /* the agent found no program of that name */
	int asker;    /* waits for an answer, of exec also for the end; -1 */
	struct output out[2];
};

struct linux_monitor {
	const struct container *c;
	const struct bundle *b;
	struct chaos *chaos; /* NULL: not connected */
	uint32_t tag;
	bool fresh; /* ... and it has said nothing yet */
	struct agent agent;
	struct host_ring ring;
	bool began, started, ended, root_known, root_failed;
	bool holds;	/* of a VM that is no container: there is no first process */
	bool pod;	/* of a sandbox: as `holds`, and its containers are sessions */
	struct err why; /* it ended */
	bool failed;	/* ... by a fault, not as a container does */
	unsigned int busy;
	int killed;
	int code;
	uint64_t taken_ms; /* when the engine has last taken output of the first process; `holds`:
			      when there was work */
	struct session *session[LINK_SESSIONS]; /* the first is the container's process */
};

/* A new one, which has no files yet; NULL: there are too many, or no memory. */
struct session *session_new(struct linux_monitor *m, uint8_t *number);
void session_free(struct linux_monitor *m, uint8_t number);
/* Nothing takes its output any more; the process goes on. */
void session_drop_output(struct session *s);
/* Frees those that are over and answers what waits for their end; with the first, the monitor has
 * ended. */
void sessions_end_done(struct linux_monitor *m);
/* A message of the agent: of a guest that may be hostile. */
void session_message(struct linux_monitor *m, uint8_t type, uint8_t number, const uint8_t *data,
		     size_t len);
/* The same of output in the ring. */
void session_output(struct linux_monitor *m, uint8_t number, int which,
		    const struct ring_record *rec);
/* Where an output goes from now on. */
void session_set_output(struct session *s, int which, int fd);
/* Output of it, 0 or 1, for an engine that takes some; input that is there. */
void session_to_engine(struct linux_monitor *m, uint8_t number, int which);
void session_from_engine(struct linux_monitor *m, uint8_t number);
/* The engine's terminal is gone: the one in the guest is hung up. */
void session_hang_up(struct linux_monitor *m, uint8_t number);
/* The agent hears of room for output, when it has taken what was said before. */
void session_tell_room(struct linux_monitor *m, uint8_t number, int which);
/* The end of the VM: of a guest that breaks the rules, or that cannot be told what it is to do. */
void monitor_fail(struct linux_monitor *m, int code, const struct err *why);

static inline void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

#endif
