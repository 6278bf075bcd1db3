/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest kit's children: a copy of this guest in a domain of its own, and a channel between the
 * two (noxs/abi.h, FORK). */
#ifndef CHAOS_GUEST_FORK_H
#define CHAOS_GUEST_FORK_H

#include "kit.h"

#define CHANNEL_BYTES 2048u /* on their way in one direction, at the most */
#define CHANNEL_EINTR 4	    /* the guest was copied or restored meanwhile: there is no child */
#define CHANNEL_ESRCH 3	    /* no such child (any more) */

struct channel_ring;

/* One end; the other one has the same pages. */
struct noxs_channel {
	uint32_t number; /* of the child */
	uint32_t slot;
	uint32_t port; /* kit_wait() returns for its events; 0: the other end was gone already */
	uint64_t life; /* generation of the guest that has it */
	volatile struct channel_ring *in, *out;
};

/*
 * Makes a child. Returns twice: in the parent the child's number (> 0), in the child 0; both have
 * an end of the channel in *c. Or once, an error: -enum noxs_fork_error, or -CHANNEL_EINTR. Blocks
 * until then, and obeys requests to end meanwhile. The child has this guest's memory and no
 * devices: drivers find theirs gone. kit.at_resume() is called in it.
 */
int noxs_fork(struct noxs_channel *c);
/* Waits for the end of a child, at most so long (0: for ever), and closes the channel: its exit
 * code (0..255), or 256 when it has none (it crashed, or was destroyed). -NOXS_FORK_EAGAIN: it
 * lives, and the channel stays open. -CHANNEL_ESRCH: this guest was restored since, or is another
 * one. */
int noxs_wait(struct noxs_channel *c, uint64_t timeout_ns);
/* Puts or takes up to len bytes, and tells the other end; returns how many. Never waits: for the
 * other end there is kit_wait(). */
uint32_t noxs_send(struct noxs_channel *c, const void *data, uint32_t len);
uint32_t noxs_receive(struct noxs_channel *c, void *data, uint32_t len);

#endif
