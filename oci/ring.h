/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's end of the agent's ring: mapped when much is to be moved, mapped anew when the VM was
 * restored. chaosd has no part in it but for the channel's bells. */
#ifndef CHAOS_OCI_RING_H
#define CHAOS_OCI_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/linux/link/ring.h"

struct linux_monitor;

struct host_ring {
	struct ring ring;
	void *pages;	  /* NULL: not mapped */
	uint8_t *sent;	  /* RING_SIZE: a copy of what was sent, for a guest that is restored */
	uint32_t domid;	  /* whose pages they are */
	uint32_t moved;	  /* bytes by the channel so far, up to RING_AFTER */
	uint32_t number;  /* of the last request */
	bool asked;	  /* ... and it has no answer yet */
	bool taken, used; /* RING_USE was said; RING_USED was */
	bool refused;	  /* there is none, and there will be none */
	bool look;	  /* there may be records */
	bool held;	  /* all messages wait until it is mapped anew */
	uint32_t times;	  /* it was lost */
};

/* So many bytes of a stream were moved by the channel. */
void ring_count(struct linux_monitor *m, size_t n);
/* LINK_RING and LINK_RING_USED. */
void ring_message(struct linux_monitor *m, uint8_t type, const uint8_t *data, size_t len);
/* The channel began again: `fresh`, because of another connection to chaosd; otherwise the guest
 * has connected again, and was restored. */
void ring_check(struct linux_monitor *m, bool fresh);
/* Takes records, at most about a ring full. */
void ring_serve(struct linux_monitor *m);
/* At the end of a turn: what there is nothing of is waited for. */
void ring_sleep(struct linux_monitor *m);
/* As read(), and -EAGAIN, for input of a session. */
ssize_t ring_read(struct linux_monitor *m, int fd, uint8_t session, uint32_t most);
bool ring_has_room(struct linux_monitor *m);
void ring_close(struct linux_monitor *m);

#endif
