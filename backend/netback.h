/* SPDX-License-Identifier: BSD-3-Clause */
/* Connects a vif's rings to a TAP file: frames in both directions, with checksum and
 * segmentation offload. */
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

#define NET_SLOTS	256u /* of either ring: one page */
#define NET_FRAME_SLOTS 18u  /* XEN_NETIF_NR_SLOTS_MIN: the number that a frontend may rely on */
#define NET_FATAL_SLOTS 20u  /* a frame with more slots ends the device, as in Linux' netback */
#define NET_PAGE	RING_PAGE

/* What the frontend supports, from its feature-* nodes; the TAP's offloads are set accordingly. */
#define NET_RX_SG    (1u << 0) /* frames in more than one slot */
#define NET_RX_CSUM  (1u << 1) /* no feature-no-csum-offload: checksums may be blank */
#define NET_RX_GSO4  (1u << 2)
#define NET_RX_GSO6  (1u << 3)
#define NET_FEATURES (NET_RX_SG | NET_RX_CSUM | NET_RX_GSO4 | NET_RX_GSO6)

#define NET_AREA_PAGES (NET_SLOTS + NET_FRAME_SLOTS)

/* Buffers for one pass over one ring, shared by the devices of a thread. `area` has
 * NET_AREA_PAGES pages, belongs to the caller and must exist longer. */
struct net_scratch;
struct net_scratch *net_scratch_new(uint8_t *area);
void net_scratch_free(struct net_scratch *s);

struct net_counts {
	uint64_t frames;
	uint64_t bytes;
	uint64_t dropped; /* frames that the other side did not get */
};

struct netback {
	/* IN: set before netback_init() */
	const struct backend_seam *seam;
	struct net_scratch *scratch;
	uint16_t domid;
	uint32_t port; /* local event channel */
	int tap;       /* non-blocking, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; the caller closes it */
	uint32_t features; /* NET_* */
	/* OUT */
	struct net_counts tx; /* from the guest */
	struct net_counts rx; /* to the guest */
	bool rx_full;	      /* there are no slots: do not read the TAP before the next event */
	/* ours */
	struct ring tx_ring;
	struct ring rx_ring;
	uint8_t *held; /* a frame that was read when there were too few slots, with its virtio
			  header */
	uint32_t held_bytes;
	uint32_t lone; /* passes in a row that found one frame in the TAP */
	bool untold;   /* there are responses for which the guest has requested an event */
};

/* Initialises it for the two mapped ring pages. */
void netback_init(struct netback *n, void *tx_page, void *rx_page);
/* Frees the held frame; the caller releases pages, port and TAP. */
void netback_fini(struct netback *n);

/* Sends the guest an event for the responses of the passes before, if it has requested one: one
 * event for both directions. Call it after every netback_tx() and netback_rx() that succeeded. */
void netback_notify(struct netback *n);

/* One pass over the guest's frames, at most one ring full. 1: there are more, call again; 0: the
 * guest will send an event. -EPROTO: the guest broke the protocol, `e` says how; the device must
 * end. */
int netback_tx(struct netback *n, struct err *e);

/* One pass from the TAP to the guest, with the same results; also with 0 the TAP may have more
 * frames. If rx_full is set afterwards, wait for an event. -EIO: the TAP does not exist any
 * more. */
int netback_rx(struct netback *n, struct err *e);

#endif
