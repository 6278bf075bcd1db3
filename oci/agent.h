/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's end of the agent's channel: what is said to it, in order, and what processes are. */
#ifndef CHAOS_OCI_AGENT_H
#define CHAOS_OCI_AGENT_H

#include <sys/ioctl.h>

#include "guests/linux/link/link.h"
#include "oci/bundle.h"
#include "oci/network.h"

struct agent_word;

struct agent {
	struct link link;
	struct agent_word *first, *last; /* wait for room in the link */
	struct ring *ring;		 /* the link's after LINK_RING_USE */
	size_t waits;			 /* bytes of these */
	bool held;			 /* all but LINK_RING_AGAIN waits */
};

/* Once so much waits nothing new is begun in the guest, which does not take it. */
#define AGENT_WAITS_MAX (1u << 20)

/* Queues it; sent at once when there is room. False: no memory. */
bool agent_say(struct agent *a, uint8_t type, uint8_t session, const void *data, size_t len);
/* The same, before all that waits; it replaces one of this type that waits there. */
bool agent_say_first(struct agent *a, uint8_t type, uint8_t session, const void *data, size_t len);
bool agent_say_u32(struct agent *a, uint8_t type, uint8_t session, uint32_t v);
/* The same of a signal or a size of a terminal: a guest that takes nothing has one of each that
 * waits, however many there were. */
bool agent_say_signal(struct agent *a, uint8_t session, uint32_t number);
bool agent_say_window(struct agent *a, uint8_t session, const uint8_t size[4]);
/* Sends what waits, as far as there is room; true: nothing waits. */
bool agent_pump(struct agent *a);
void agent_clear(struct agent *a);

/* Sends an archive of what the root consists of, and a seed, to an agent that has booted before. */
int agent_say_part(struct agent *a, int file, struct err *e);
/* Says what the root is to be, and asks for it. */
bool agent_say_root(struct agent *a, const struct bundle *b, const struct network *n);
/* The same of a container of a pod, whose archive was sent: the request MAKE of join.h. Its name
 * goes first, with agent_say_container(). */
bool agent_say_root_of(struct agent *a, uint8_t session, const json_t *words);
bool agent_say_container(struct agent *a, uint8_t session, const json_t *words);
/* Says what a process (as "process" of config.json) is to be, and asks for it; `size`: of its
 * terminal, or NULL. */
bool agent_say_process(struct agent *a, uint8_t session, const json_t *process,
		       const struct winsize *size);
/* -EINVAL names the member that is wrong. */
int agent_check_process(const json_t *process, struct err *e);

#endif
