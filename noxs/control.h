/* SPDX-License-Identifier: BSD-3-Clause */
/* dom0's side of the control page: console ring, power requests, guest state. */
#ifndef CHAOS_NOXS_CONTROL_H
#define CHAOS_NOXS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <noxs/abi.h>

#include "base/err.h"

/*
 * One VM's end. The page is mapped by the caller and written by a guest that may be hostile: each
 * index is loaded once and checked; our own indices live here. The console part alone also serves
 * guests without noxs: their console ring has the same layout.
 */
struct noxs_control_end {
	volatile struct noxs_control *page;
	uint32_t out_cons;    /* ours */
	uint32_t in_prod;     /* ours */
	uint32_t request_seq; /* ours */
	bool broken;	      /* the guest wrote an impossible index: the console is over */
};

/* A fresh page: all zero but for what we write. */
static inline void noxs_control_init(struct noxs_control_end *c, volatile void *page)
{
	*c = (struct noxs_control_end){.page = page};
}
/* A page that lived on without us: takes our own indices from it, as far as they make sense. */
void noxs_control_adopt(struct noxs_control_end *c, volatile void *page);

/* Goes on where what was taken last was kept: at `cons`, if the ring still has all that came since;
 * else where the page says, or behind all of it. False: bytes are lost. */
bool noxs_console_resume(struct noxs_control_end *c, uint32_t cons);

/*
 * Moves what the guest wrote into buf (room for NOXS_CONSOLE_OUT_SIZE bytes suffices to empty the
 * ring) and returns how much. The room in the ring is only given back by noxs_console_release(),
 * after which the guest must be told: a process that dies between the two takes the same bytes
 * again. -EPROTO once, when the guest's index is impossible; from then on 0.
 */
int noxs_console_take(struct noxs_control_end *c, void *buf, uint32_t room);
void noxs_console_release(struct noxs_control_end *c);
/* Puts input into the ring; returns how many bytes found room. -EPROTO as above. */
int noxs_console_put(struct noxs_control_end *c, const void *data, uint32_t len);

/* Asks the guest to end; the caller sends the event. */
void noxs_control_request(struct noxs_control_end *c, enum noxs_request req);

/* What the guest says of itself, loaded once. An unknown state reads as NOXS_STATE_BOOTING. */
struct noxs_guest_words {
	enum noxs_state state;
	uint32_t exit_code; /* 0..255 */
	bool exit_code_ok;  /* the guest's value was in range */
};
void noxs_control_words(const struct noxs_control_end *c, struct noxs_guest_words *out);

/* A child that the guest wants: what it says, loaded once and not checked. */
struct noxs_fork_request {
	uint32_t seq;
	uint32_t slot;
	uint32_t frame[NOXS_FORK_PAGES];
};
void noxs_control_fork(const struct noxs_control_end *c, struct noxs_fork_request *out);
uint32_t noxs_control_fork_seq(const struct noxs_control_end *c);

/* The fresh control page of a guest that was let run to its gate, each word loaded once: 1: it
 * waits there; 0: not yet; -EPROTO: it does what it must not. */
int noxs_control_waits(const volatile void *page);

#endif
