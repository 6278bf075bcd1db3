/* SPDX-License-Identifier: BSD-3-Clause */
/* The protocol between chaosd and chaos-backend, on a Unix SOCK_SEQPACKET socket. */
#ifndef NOXS_BACKEND_PROTO_H
#define NOXS_BACKEND_PROTO_H

#include <stdint.h>

/*
 * One packet is one message: a struct backend_head and the structure for its type, with exactly
 * that size. Both ends are on one host and from one release: another version is refused. Numbers
 * are in the host's byte order; bytes named `zero` are zero. The client chooses `id`: any number
 * except 0 and ids of attached devices. Each request is answered once, in any order:
 *
 * ATTACH_VIF, ATTACH_VBD (with one file descriptor) -> ATTACHED or FAILED; DETACH -> DETACHED
 * (with err = ENOENT for an id that is not attached); LIST (id 0) -> DEVICE for each device,
 * then LISTED.
 *
 * BROKEN is sent without a request: the device has ended because its guest broke the protocol,
 * or its file does not exist any more. Its mappings, port and file are released, and the id is
 * free. A DETACH that was sent before BROKEN arrived is answered, too.
 */
#define BACKEND_VERSION 1u
#define BACKEND_TEXT	216u /* with NUL */

enum backend_type {
	BACKEND_ATTACH_VIF = 1,
	BACKEND_ATTACH_VBD = 2,
	BACKEND_DETACH = 3,
	BACKEND_LIST = 4,

	BACKEND_ATTACHED = 64,
	BACKEND_FAILED = 65,
	BACKEND_DETACHED = 66,
	BACKEND_BROKEN = 67,
	BACKEND_DEVICE = 68,
	BACKEND_LISTED = 69,
};

struct backend_head {
	uint16_t version; /* BACKEND_VERSION */
	uint16_t type;	  /* enum backend_type */
	uint32_t bytes;	  /* of the message, this included */
	uint64_t id;
};

/* Sent with the file descriptor of a TAP: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, a header of 10
 * bytes, and the offloads that the features allow. */
struct backend_vif {
	struct backend_head head;
	uint32_t domid;
	uint32_t remote_port; /* the guest's unbound event channel, for both rings */
	uint32_t tx_ref;
	uint32_t rx_ref;
	uint32_t features; /* NET_* of netback.h */
	uint32_t zero;
};

/* Sent with the file descriptor of a regular file or block device. Open block devices with
 * O_DIRECT: otherwise each write is copied once more into dom0's page cache, and a flush waits
 * for all of them. */
struct backend_vbd {
	struct backend_head head;
	uint32_t domid;
	uint32_t remote_port;
	uint32_t ring_ref; /* one page, protocol x86_64-abi */
	uint32_t flags;	   /* BLK_* of blkback.h */
	uint64_t sectors;  /* of 512 bytes; 0: all of the file */
};

/* ATTACHED, FAILED, DETACHED, BROKEN, LISTED. */
struct backend_reply {
	struct backend_head head;
	uint32_t err; /* an errno; 0: success; LISTED: 0 */
	uint32_t zero;
	uint64_t sectors; /* ATTACHED, a vbd */
	char text[BACKEND_TEXT];
};

/* DEVICE. The counters start at the attach. */
struct backend_device {
	struct backend_head head;
	uint32_t domid;
	uint32_t type;	    /* BACKEND_ATTACH_VIF or _VBD */
	uint64_t frames[2]; /* vif: from, to the guest; vbd: reads, writes */
	uint64_t bytes[2];  /* vbd: [0] both together, [1] 0 */
	uint64_t failed;    /* vif: frames dropped; vbd: requests failed */
};

union backend_message {
	struct backend_head head;
	struct backend_vif vif;
	struct backend_vbd vbd;
	struct backend_reply reply;
	struct backend_device device;
};

_Static_assert(sizeof(struct backend_head) == 16, "head");
_Static_assert(sizeof(struct backend_vif) == 40, "vif");
_Static_assert(sizeof(struct backend_vbd) == 40, "vbd");
_Static_assert(sizeof(struct backend_reply) == 248, "reply");
_Static_assert(sizeof(struct backend_device) == 64, "device");

#endif
