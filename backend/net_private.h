/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the two directions of netback. */
#ifndef NOXS_BACKEND_NET_PRIVATE_H
#define NOXS_BACKEND_NET_PRIVATE_H

#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "backend/netback.h"

/* A frame from the guest: its slots; the first slot has the properties of the frame. */
struct net_frame {
	uint16_t slot;	/* index of its first slot in this pass */
	uint16_t slots; /* with extra infos */
	uint16_t seg;	/* its first segment */
	uint16_t segs;
	uint32_t bytes;
	uint16_t flags;	   /* NETTXF_* of the first slot */
	uint16_t gso_size; /* 0: none */
	uint8_t gso_type;
	bool bad; /* answered with an error, and not sent */
};

struct net_slot {
	uint16_t id;
	bool extra; /* a slot that held an extra info */
};

struct net_rx_slot {
	struct netif_rx_response rsp;
	uint16_t gso_size; /* != 0: this slot is an extra info */
	uint8_t gso_type;
	int16_t seg; /* the copy that fills it; -1 for an extra info */
};

struct net_scratch {
	uint8_t *area; /* NET_AREA_PAGES, page-aligned: one page for each segment */
	struct xengnttab_grant_copy_segment segs[NET_AREA_PAGES];
	struct net_slot slots[NET_SLOTS];
	struct net_frame frames[NET_SLOTS];
	struct net_rx_slot rx[NET_AREA_PAGES];
};

/* Fills the TAP's header for a frame in pieces: the position of the checksum
 * (NETTXF_csum_blank), and how to segment the frame (GSO). `head` is a copy of the first `len`
 * bytes, `bytes` the size of the whole frame. -EINVAL: it is not TCP or UDP over IP, which
 * offload requires. */
int net_offload(const uint8_t *head, uint32_t len, const struct net_frame *f,
		struct virtio_net_hdr *out);
#define NET_HEAD_MAX 256u /* the headers must be within this number of bytes */

#endif
