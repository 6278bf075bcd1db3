/* SPDX-License-Identifier: BSD-3-Clause */
/* lwIP's options for guests: no threads, raw callbacks, IPv4 with DHCP, IPv6, TCP, UDP; small
 * pools. */
#ifndef CHAOS_GUEST_LWIPOPTS_H
#define CHAOS_GUEST_LWIPOPTS_H

#include <stdint.h>

#define NO_SYS		     1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET	     0
#define LWIP_NETCONN	     0

#define MEM_ALIGNMENT		8
#define MEM_SIZE		(96 * 1024)
#define MEMP_NUM_TCP_PCB	64
#define MEMP_NUM_TCP_PCB_LISTEN 4
#define MEMP_NUM_TCP_SEG	128
#define MEMP_NUM_UDP_PCB	6
#define MEMP_NUM_REASSDATA	4
#define MEMP_NUM_PBUF		64
#define PBUF_POOL_SIZE		48
#define PBUF_POOL_BUFSIZE	1536

#define TCP_MSS		   1460
#define TCP_WND		   (12 * TCP_MSS)
#define TCP_SND_BUF	   (12 * TCP_MSS)
#define TCP_SND_QUEUELEN   48
#define LWIP_TCP_KEEPALIVE 1

#define LWIP_IPV4		 1
#define LWIP_IPV6		 1
#define LWIP_IPV6_DHCP6		 0
#define IPV6_FRAG_COPYHEADER	 1 /* pointers are larger than the room in a fragment header */
#define LWIP_IPV6_AUTOCONFIG	 1
#define LWIP_DHCP		 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define DHCP_DOES_ARP_CHECK	 0
#define LWIP_ACD		 0
#define LWIP_IGMP		 0
#define LWIP_DNS		 0
#define LWIP_ICMP		 1
#define LWIP_RAW		 0

#define LWIP_NETIF_STATUS_CALLBACK   1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 /* frames with a blank checksum are not checked */
#define LWIP_STATS		     0
#define LWIP_SINGLE_NETIF	     1

struct netif;
struct ip6_addr;
const struct ip6_addr *port_gateway6(struct netif *netif, const struct ip6_addr *to);
#define LWIP_HOOK_ND6_GET_GW(netif, to) port_gateway6(netif, to)

struct ip_addr;
uint32_t port_isn(const struct ip_addr *local, uint16_t local_port, const struct ip_addr *remote,
		  uint16_t remote_port);
#define LWIP_HOOK_TCP_ISN port_isn

#endif
