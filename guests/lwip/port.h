/* SPDX-License-Identifier: BSD-3-Clause */
/* lwIP on the guest's first vif. */
#ifndef CHAOS_GUEST_LWIP_PORT_H
#define CHAOS_GUEST_LWIP_PORT_H

#include "guests/kit/dev.h"

#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

/* Opens the first vif and sets its addresses: those of the command line (ip=A.B.C.D/N gw=A.B.C.D
 * ip6=ADDRESS/N gw6=ADDRESS dhcp) or else of the device page; and always a link-local IPv6
 * address. False, and a line on the console, if there is no vif or an option is wrong. */
bool port_open(void);
/* Handles frames and timers forever. Reports "ready" when the first IPv4 address is set, or at
 * once if DHCP is not used. */
void port_run(void) __attribute__((noreturn));
/* Called by port_run() in each turn, when what came was given to lwIP; NULL: nothing is called. */
extern void (*port_each_turn)(void);
/* Both, for a guest that serves one TCP and UDP port. Returns an exit code if that is not
 * possible. */
int port_serve(uint16_t port, tcp_accept_fn accepted, udp_recv_fn datagram);
/* The vif, for its counters. */
const struct kit_net *port_vif(void);

#endif
