/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a TCP server answers: asked again and again, without waiting. */
#ifndef CHAOS_ENGINE_POOL_TCP_PROBE_H
#define CHAOS_ENGINE_POOL_TCP_PROBE_H

#include <stdbool.h>

#include <netinet/in.h>

struct tcp_probe {
	int fd;	      /* a connection that is being made; -1: none */
	double until; /* it is given up then, and the next one is begun; in seconds of `now` */
	double span;  /* that the next one is given; 0: none was given up so far */
};

#define TCP_PROBE_INIT ((struct tcp_probe){.fd = -1})

/* Looks, at the time `now` in seconds, whether the connection is there, and begins one when none is
 * being made. One that is not answered is given 0.1 s, since a guest whose vif has just come may
 * have missed the packet, and each further one twice as long as the one before, up to 6.4 s, since
 * a guest that is busy needs time to answer. What is refused is asked again 0.1 s later. True: it
 * is connected; the connection is closed with a reset, so that the guest keeps nothing of it. */
bool tcp_probe_answers(struct tcp_probe *p, const struct sockaddr_in *to, double now);
/* Ends it: as TCP_PROBE_INIT. */
void tcp_probe_close(struct tcp_probe *p);

#endif
