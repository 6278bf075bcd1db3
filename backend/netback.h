/* SPDX-License-Identifier: BSD-3-Clause */
/* A vif's rings against a TAP file: frames both ways, with checksum and segmentation offload. */
#ifndef NOXS_BACKEND_NETBACK_H
#define NOXS_BACKEND_NETBACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <xenctrl.h>
#include <xen/io/netif.h>

#include "base/err.h"
#include "backend/ring.h"
#include "backend/seam.h"

#define NET_SLOTS	256u   /* of either ring: one page */
#define NET_FRAME_SLOTS 18u    /* XEN_NETIF_NR_SLOTS_MIN: what a frontend may count on */
#define NET_FATAL_SLOTS 20u    /* a frame of more ends the device, as in Linux' netback */
#define NET_FRAME_MAX	65535u /* bytes; a slot's size has 16 bits */
#define NET_PAGE	RING_PAGE

/* What the frontend takes, from its feature-* nodes; the TAP's offloads are set to match. */
#define NET_RX_SG    (1u << 0) /* frames in more than one slot */
#define NET_RX_CSUM  (1u << 1) /* no feature-no-csum-offload: checksums may be left out */
#define NET_RX_GSO4  (1u << 2)
#define NET_RX_GSO6  (1u << 3)
#define NET_FEATURES (NET_RX_SG | NET_RX_CSUM | NET_RX_GSO4 | NET_RX_GSO6)

#define NET_AREA_PAGES (NET_SLOTS + NET_FRAME_SLOTS)

/* Buffers for one pass over one ring; devices of a thread share it. `area` has NET_AREA_PAGES
 * pages, is the caller's and outlives it. */
struct net_scratch;
struct net_scratch *net_scratch_new(uint8_t *area);
void net_scratch_free(struct net_scratch *s);

struct net_counts {
	uint64_t frames;
	uint64_t bytes;
	uint64_t dropped; /* frames the other side did not get */
};

struct netback {
	/* IN, before netback_init() */
	const struct backend_seam *seam;
	struct net_scratch *scratch;
	uint16_t domid;
	uint32_t port;	   /* local event channel */
	int tap;	   /* non-blocking, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; the caller's */
	uint32_t features; /* NET_* */
	/* OUT */
	struct net_counts tx; /* from the guest */
	struct net_counts rx; /* to the guest */
	bool rx_full;	      /* no slots: do not look at the TAP until an event came */
	/* ours */
	struct ring tx_ring;
	struct ring rx_ring;
	uint8_t *held; /* a frame that was read when slots were too few, virtio header first */
	uint32_t held_bytes;
	uint32_t lone; /* passes in a row that found one frame in the TAP */
	bool untold;   /* responses that the guest wants to hear of */
};

/* Takes over the two mapped ring pages. */
void netback_init(struct netback *n, void *tx_page, void *rx_page);
/* Frees the held frame; pages, port and TAP are the caller's. */
void netback_fini(struct netback *n);

/* Tells the guest what the passes before have answered, if it wants to hear: once for both
 * directions. After every netback_tx() and netback_rx() that went well. */
void netback_notify(struct netback *n);

/*
 * One pass over the guest's frames, at most one ring full. 1: call again, there is more; 0: an
 * event will come. -EPROTO: the guest broke the protocol and `e` says how; the device must end.
 */
int netback_tx(struct netback *n, struct err *e);

/* One pass from the TAP to the guest, with the same results; the TAP may have more also with 0.
 * With rx_full set afterwards only an event helps. -EIO: the TAP is gone. */
int netback_rx(struct netback *n, struct err *e);

#endif
