/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the checksum of a frame: the only code that parses contents sent by guests. No side
 * effects, fuzzed. */
#include "backend/net_private.h"

#include <errno.h>
#include <string.h>

#define ETH_HEADER   14u
#define ETH_IPV4     0x0800
#define ETH_IPV6     0x86dd
#define ETH_VLAN     0x8100
#define TCP	     6
#define UDP	     17
#define IPV6_HEADER  40u
#define IPV6_OPTIONS 8u /* of them, extension headers that are walked */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Position of the transport header; 0 if it is not a known one. */
static uint32_t ipv4(const uint8_t *head, uint32_t len, uint32_t at, uint8_t *proto)
{
	uint32_t words;

	if (len < at + 20)
		return 0;
	words = head[at] & 15u;
	if (head[at] >> 4 != 4 || words < 5 || (be16(head + at + 6) & 0x3fff) != 0)
		return 0; /* no header, or a fragment */
	*proto = head[at + 9];
	return at + words * 4;
}

static uint32_t ipv6(const uint8_t *head, uint32_t len, uint32_t at, uint8_t *proto)
{
	uint8_t next;

	if (len < at + IPV6_HEADER || head[at] >> 4 != 6)
		return 0;
	next = head[at + 6];
	at += IPV6_HEADER;
	for (uint32_t n = 0; next == 0 || next == 43 || next == 60; n++) {
		if (n == IPV6_OPTIONS || len < at + 8)
			return 0;
		next = head[at];
		at += 8u * (head[at + 1] + 1u);
	}
	*proto = next;
	return at;
}

int net_offload(const uint8_t *head, uint32_t len, const struct net_frame *f,
		struct virtio_net_hdr *out)
{
	uint32_t at = ETH_HEADER;
	uint32_t transport;
	uint32_t header;
	uint16_t type;
	uint8_t proto = 0;

	memset(out, 0, sizeof(*out));
	if (!(f->flags & NETTXF_csum_blank) && f->gso_size == 0)
		return 0;
	if (len < ETH_HEADER)
		return -EINVAL;
	type = be16(head + 12);
	if (type == ETH_VLAN && len >= ETH_HEADER + 4) {
		type = be16(head + 16);
		at += 4;
	}
	if (type != ETH_IPV4 && type != ETH_IPV6)
		return -EINVAL;
	transport = type == ETH_IPV4 ? ipv4(head, len, at, &proto) : ipv6(head, len, at, &proto);
	header = proto == TCP ? 20 : 8;
	if (transport == 0 || (proto != TCP && proto != UDP) || transport + header > len)
		return -EINVAL;
	out->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	out->csum_start = (uint16_t)transport;
	out->csum_offset = proto == TCP ? 16 : 6;
	if (f->gso_size == 0)
		return 0;
	if (proto != TCP || (f->gso_type == XEN_NETIF_GSO_TYPE_TCPV4) != (type == ETH_IPV4))
		return -EINVAL;
	header = (uint32_t)(head[transport + 12] >> 4) * 4;
	if (header < 20 || transport + header >= f->bytes || transport + header > len)
		return -EINVAL;
	out->gso_type = type == ETH_IPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	out->gso_size = f->gso_size;
	out->hdr_len = (uint16_t)(transport + header);
	return 0;
}
