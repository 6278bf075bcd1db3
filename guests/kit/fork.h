/* SPDX-License-Identifier: BSD-3-Clause */
/* Children in the guest kit: a copy of this guest in another domain, and a channel between the
 * two (noxs/abi.h, FORK). */
#ifndef CHAOS_GUEST_FORK_H
#define CHAOS_GUEST_FORK_H

#include "kit.h"

#define CHANNEL_BYTES 2048u /* maximal number of unread bytes in one direction */
#define CHANNEL_EINTR 4	    /* the guest was copied or restored meanwhile: there is no child */
#define CHANNEL_ESRCH 3	    /* there is no such child, or not any more */

struct channel_ring;

/* One end; the other end has the same pages. */
struct noxs_channel {
	uint32_t number; /* of the child */
	uint32_t slot;
	uint32_t port; /* kit_wait() returns for its events; 0: the other end does not exist any
			  more */
	uint64_t life; /* generation of the guest that owns it */
	volatile struct channel_ring *in, *out;
};

/* Makes a child. On success it returns twice: in the parent the child's number (> 0), in the
 * child 0; both have an end of the channel in *c. On failure it returns once: -enum
 * noxs_fork_error, or -CHANNEL_EINTR. Blocks, and obeys requests to end meanwhile. The child has
 * this guest's memory and no devices; its drivers find that theirs are gone. kit.at_resume() is
 * called in the child. */
int noxs_fork(struct noxs_channel *c);
/* Whether a child has ended: what it sent is still there, and noxs_wait() will not block. */
bool noxs_ended(const struct noxs_channel *c);
/* Waits for the end of a child, at most so long (0: forever), and closes the channel. Returns
 * its exit code (0..255), or 256 if it has none (it crashed, or was destroyed).
 * -NOXS_FORK_EAGAIN: it runs, and the channel stays open. -CHANNEL_ESRCH: this guest was
 * restored since, or is a copy. */
int noxs_wait(struct noxs_channel *c, uint64_t timeout_ns);
/* Sends or receives up to len bytes, and notifies the other end; returns the number. Does not
 * block; use kit_wait() to wait for the other end. */
uint32_t noxs_send(struct noxs_channel *c, const void *data, uint32_t len);
uint32_t noxs_receive(struct noxs_channel *c, void *data, uint32_t len);

#endif
