/* SPDX-License-Identifier: BSD-3-Clause */
/* dom0's side of the control page: console ring, power requests, guest state. */
#ifndef CHAOS_NOXS_CONTROL_H
#define CHAOS_NOXS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <noxs/abi.h>

#include "base/err.h"

/* dom0's end of the control page of one VM. The caller maps the page, and a possibly hostile
 * guest writes it: each index is loaded once and checked; dom0's own indices are kept here. The
 * console part is also used for guests without noxs, because their console ring has the same
 * layout. */
struct noxs_control_end {
	volatile struct noxs_control *page;
	uint32_t out_cons;    /* ours */
	uint32_t in_prod;     /* ours */
	uint32_t request_seq; /* ours */
	bool broken;	      /* the guest has written an impossible index: the console is closed */
};

/* Initialises a new page: all zero except for what dom0 writes. */
static inline void noxs_control_init(struct noxs_control_end *c, volatile void *page)
{
	*c = (struct noxs_control_end){.page = page};
}
/* Takes over the page of a running guest: reads dom0's own indices from it, if they are
 * possible. */
void noxs_control_adopt(struct noxs_control_end *c, volatile void *page);

/* Continues reading at `cons`, if the ring still has all output since then; otherwise at the
 * index in the page, or after all output. False: bytes are lost. */
bool noxs_console_resume(struct noxs_control_end *c, uint32_t cons);

/* Copies the guest's output into buf (NOXS_CONSOLE_OUT_SIZE bytes are enough for all of the
 * ring) and returns the number of bytes. The room in the ring is returned to the guest by
 * noxs_console_release(), after which the guest must get an event. A process that dies between
 * the two reads the same bytes again. -EPROTO once, if the guest's index is impossible; from
 * then on 0. */
int noxs_console_take(struct noxs_control_end *c, void *buf, uint32_t room);
void noxs_console_release(struct noxs_control_end *c);
/* Puts input into the ring; returns how many bytes there was room for. -EPROTO as above. */
int noxs_console_put(struct noxs_control_end *c, const void *data, uint32_t len);
/* Bytes of room for that; all of the ring, if the guest's index is impossible. */
uint32_t noxs_console_room(const struct noxs_control_end *c);

/* Writes a request to the guest; the caller sends the event. */
void noxs_control_request(struct noxs_control_end *c, enum noxs_request req);

/* The words with the guest's state, each loaded once. An unknown state is read as
 * NOXS_STATE_BOOTING. */
struct noxs_guest_words {
	enum noxs_state state;
	uint32_t exit_code; /* 0..255 */
	bool exit_code_ok;  /* the guest's value was in range */
};
void noxs_control_words(const struct noxs_control_end *c, struct noxs_guest_words *out);

/* The guest's request for a child, loaded once and not checked. */
struct noxs_fork_request {
	uint32_t seq;
	uint32_t slot;
	uint32_t frame[NOXS_FORK_PAGES];
};
void noxs_control_fork(const struct noxs_control_end *c, struct noxs_fork_request *out);
uint32_t noxs_control_fork_seq(const struct noxs_control_end *c);

/* Whether a guest has reached its gate, from its new control page; each word is loaded once. 1:
 * it waits there; 0: not yet; -EPROTO: it has written something that is not allowed. */
int noxs_control_waits(const volatile void *page);

#endif
