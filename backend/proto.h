/* SPDX-License-Identifier: BSD-3-Clause */
/* What chaosd and chaos-backend say to each other, on a Unix SOCK_SEQPACKET socket. */
#ifndef NOXS_BACKEND_PROTO_H
#define NOXS_BACKEND_PROTO_H

#include <stdint.h>

/*
 * One packet is one message: a struct backend_head and what its type says, of exactly its size.
 * Both ends are on one host and of one release: another version is refused. All numbers are in the
 * host's order; bytes named `zero` are zero. `id` is chosen by the client, any number but 0 that
 * no attached device has; each request is answered once, in any order:
 *
 *   ATTACH_VIF, ATTACH_VBD (with one file descriptor) -> ATTACHED or FAILED
 *   DETACH -> DETACHED (also for an id that is not attached, with err = ENOENT)
 *   LIST (id 0) -> DEVICE for each device, then LISTED
 *
 * BROKEN comes unasked: the device ended because its guest broke the protocol, or its file is gone;
 * its mappings, port and file are released and the id is free. When a DETACH has crossed it, that
 * is answered, too.
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

/* With a TAP's file descriptor: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, header of 10 bytes, offloads as
 * the features say. */
struct backend_vif {
	struct backend_head head;
	uint32_t domid;
	uint32_t remote_port; /* the guest's unbound event channel, for both rings */
	uint32_t tx_ref;
	uint32_t rx_ref;
	uint32_t features; /* NET_* of netback.h */
	uint32_t zero;
};

/* With the file descriptor of a regular file or block device. Open a block device with O_DIRECT:
 * with dom0's page cache between, each write is copied once more, and a flush waits for all of
 * them. */
struct backend_vbd {
	struct backend_head head;
	uint32_t domid;
	uint32_t remote_port;
	uint32_t ring_ref; /* one page, protocol x86_64-abi */
	uint32_t flags;	   /* BLK_* of blkback.h */
	uint64_t sectors;  /* of 512 bytes; 0: as many as the file has */
};

/* ATTACHED, FAILED, DETACHED, BROKEN, LISTED. */
struct backend_reply {
	struct backend_head head;
	uint32_t err; /* errno, 0 when it went well; LISTED: 0 */
	uint32_t zero;
	uint64_t sectors; /* ATTACHED, a vbd */
	char text[BACKEND_TEXT];
};

/* DEVICE. Counters since it was attached. */
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
