/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to name servers (DNS), carried over a stream of bytes. Both ends are made of this: each
 * takes the questions of programs on its side, and puts those of the other end to a server. */
#ifndef CHAOS_NAMES_H
#define CHAOS_NAMES_H

#include <stdint.h>

/*
 * A record is a head of 12 bytes (length of the message, lowest byte first; a number, 16 bits;
 * kind; 1 for TCP; the address of the server that was asked) and a message of DNS. A message that
 * finds no room is dropped, as UDP does; of the questions under way at most NAMES_FLYING are known.
 */
#define NAMES_PORT   53u
#define NAMES_FLYING 64u

struct names_end {
	int in, out;	 /* the stream */
	int udp, tcp;	 /* where programs ask, as names_listen() makes them */
	uint32_t server; /* whom the other end's questions go to; 0: whom they name */
	uint16_t port;	 /* ... there. Addresses and ports are in the order of the network */
};

/* Sockets at that address; it need not be there yet. -errno */
int names_listen(uint32_t address, uint16_t port, int *udp, int *tcp);
/* Carries them until the stream ends: 0, or -errno. */
int names_run(const struct names_end *e);

#endif
