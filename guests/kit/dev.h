/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest kit's devices: memory, grants, the store, vifs and vbds. Under chaos, devices are
 * connected and described in the device page; under other toolstacks the same calls do the
 * classic XenStore handshake. */
#ifndef CHAOS_GUEST_DEV_H
#define CHAOS_GUEST_DEV_H

#include <string.h>

#include "kit.h"

#include <xen/grant_table.h>

/* Barriers for Xen public/io/ring.h. */
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/io/blkif.h>
#include <xen/io/netif.h>

/* --- memory --- */

/* Allocates n adjacent pages, which are never freed, with any contents; NULL if there are no
 * more. */
void *kit_pages(uint32_t n);
uint32_t kit_pages_left(void);
/* Finds free memory, and writes the untouched frames into the control page; the call above does
 * it, too. */
void kit_pages_find(void);
/* The frame of a page of the guest: machine frame (PV) or guest frame (PVH); 0 if it is not
 * writable. */
uint64_t kit_frame(const void *at);
/* PV: the page table entry of an address, 0: none; writable or not. */
uint64_t kit_entry_of(uint64_t va);
/* cow.c: sets in the control page that pages may be shared, and which may not. The handler of
 * page faults must be in place. */
void kit_can_share(void);
/* Replaces a shared page by an own one; false: it is not shared, and is not changed. */
bool kit_make_own(uint64_t at);

/* --- grants --- */

/* Grants a page to domain `to`; returns the reference, or 0 if there are none left. */
uint32_t kit_grant(domid_t to, const void *page, bool readonly);
/* Ends the grant; false if the other domain has the page mapped. */
bool kit_ungrant(uint32_t gref);
/* Overwrites the flags of an entry, in use or not: for hostile test guests. */
void kit_grant_overwrite(uint32_t gref, uint16_t flags);
/* After a change of the domain: all references are invalid, and all are free. */
void kit_grants_renew(void);

/* --- the store (Xen docs/misc/xenstore.txt), for guests without a device page --- */

/* A node's value, terminated, at most size - 1 bytes of it; its length, or a negative enum
 * kit_store_error. Paths may be relative to the guest's own. tx: 0 or of kit_store_begin(). */
int kit_store_read(uint32_t tx, const char *path, char *value, size_t size);
int kit_store_write(uint32_t tx, const char *path, const char *value);
/* Names of the nodes below, each with its NUL; their length in all. */
int kit_store_list(const char *path, char *names, size_t size);
int kit_store_watch(const char *path, const char *token);
int kit_store_unwatch(const char *path, const char *token);
int kit_store_begin(uint32_t *tx);
int kit_store_end(uint32_t tx, bool commit);
/* Takes events off the ring; true when a watch has fired since the last call. */
bool kit_store_fired(void);

enum kit_store_error {
	KIT_STORE_NONE = -1,   /* no store, or it broke the protocol */
	KIT_STORE_ENOENT = -2, /* no such node */
	KIT_STORE_EAGAIN = -3, /* a transaction met another */
	KIT_STORE_ERROR = -4,  /* any other */
};

/* --- devices --- */

/* A connected device: ring pages granted, channel bound. Both ways lead here. */
struct kit_device {
	uint16_t type;
	uint16_t index;
	uint32_t flags; /* NOXS_VIF_*, NOXS_VBD_* */
	uint32_t port;
	domid_t backend;
	bool classic;  /* by the store's handshake */
	void *ring[2]; /* as struct noxs_device */
	uint32_t gref[2];
	struct noxs_vif vif;
	struct noxs_vbd vbd;
	char path[48];	  /* classic: the frontend's node ... */
	char remote[128]; /* ... and the backend's */
	/* Set by its driver before it is opened (NULL: a guest with it cannot be saved). In another
	 * domain, where all of the above is that one's; port 0: the device is gone. Must not wait
	 * or print. */
	void (*resume)(struct kit_device *d);
	/* Waits until what the backend has of it is answered; false: it takes too long. May be
	 * NULL.
	 */
	bool (*quiesce)(struct kit_device *d);
	struct kit_device *next; /* of those that were opened */
};

/* The index-th device of a type; false when there is none, or its backend did not answer (which is
 * printed). */
bool kit_device_open(struct kit_device *d, enum noxs_device_type type, uint16_t index);
/* Classic: closes it as backends expect, and waits until that is done. */
void kit_device_close(struct kit_device *d);
/* Sends an event to the backend. */
void kit_device_notify(const struct kit_device *d);

/* kit_wait(), and obeys control/shutdown in the store. */
void kit_idle(uint64_t timeout_ns);

/* --- network --- */

#define KIT_FRAME_PARTS 18u  /* as many slots as a backend uses for one frame */
#define KIT_NET_MAX	128u /* buffers a direction */
#define KIT_FRAME_MAX	65535u

enum kit_frame_flags {
	KIT_CSUM_BLANK = 1, /* the transport checksum is blank (only the pseudo-header is summed) */
	KIT_CSUM_VALID = 2, /* the transport checksum was checked */
};

struct kit_frame {
	uint32_t len; /* bytes in all */
	uint16_t flags;
	uint16_t parts;
	struct {
		const uint8_t *data;
		uint32_t len;
	} part[KIT_FRAME_PARTS];
};

struct kit_net {
	struct kit_device dev;
	struct netif_tx_front_ring tx;
	struct netif_rx_front_ring rx;
	uint16_t buffers; /* in each direction, <= KIT_NET_MAX */
	bool broken; /* the backend broke the protocol, and a message was printed; or the device
			does not exist in this domain: nothing is sent or received */
	bool tx_answered, rx_answered; /* the backend has used that ring */
	bool skip;		       /* the rest of a frame that is dropped */
	uint16_t tx_free, rx_free;     /* lengths of ... */
	uint8_t tx_idle[KIT_NET_MAX], rx_idle[KIT_NET_MAX];
	bool tx_busy[KIT_NET_MAX], rx_busy[KIT_NET_MAX];
	uint8_t *tx_page[KIT_NET_MAX], *rx_page[KIT_NET_MAX];
	uint32_t tx_gref[KIT_NET_MAX], rx_gref[KIT_NET_MAX];
	struct kit_frame in; /* the frame that is being assembled */
	uint8_t in_id[KIT_FRAME_PARTS];
	uint64_t received, sent, dropped; /* frames */
	uint32_t lives; /* raised when the device was connected in another domain: the MAC may have
			   changed */
};

/* Opens vif `index` with that many pages for each direction (made when first used). */
bool kit_net_open(struct kit_net *n, uint16_t index, uint16_t buffers);
/* Puts a frame into the send ring; kit_net_flush() notifies the backend. False: there is no room
 * (or the frame needs too many pages); the frame is counted as dropped. */
bool kit_net_send(struct kit_net *n, const struct kit_frame *f);
void kit_net_flush(struct kit_net *n);
/* Whether `want` pages are free for sending; if not, an event will come when they are. */
bool kit_net_room(struct kit_net *n, uint16_t want);
/* Calls take() for up to `budget` frames, which are valid during the call; returns their number.
 * If it is smaller than budget, there are no more, and an event will come with the next frame. */
uint32_t kit_net_poll(struct kit_net *n, uint32_t budget,
		      void (*take)(void *arg, const struct kit_frame *f), void *arg);
/* Copies up to max bytes of a frame; returns how many. */
uint32_t kit_frame_copy(const struct kit_frame *f, void *to, uint32_t max);

/* --- disks --- */

#define KIT_BLK_PAGES 8u /* of one request */
#define KIT_BLK_BYTES (KIT_BLK_PAGES * PAGE_SIZE)
#define KIT_BLK_MAX   32u /* requests at a time: what a ring page holds */

struct kit_blk {
	struct kit_device dev;
	struct blkif_front_ring ring;
	uint16_t slots;
	bool broken; /* likewise: all requests fail, also those that were under way */
	uint8_t *buf[KIT_BLK_MAX];
	uint32_t gref[KIT_BLK_MAX][KIT_BLK_PAGES];
	uint8_t op[KIT_BLK_MAX];
	uint64_t sector[KIT_BLK_MAX];
	uint32_t bytes[KIT_BLK_MAX];
	bool busy[KIT_BLK_MAX];
};

/* Opens vbd `index` with up to `slots` requests at a time, each with a buffer of KIT_BLK_BYTES. */
bool kit_blk_open(struct kit_blk *b, uint16_t index, uint16_t slots);
/* Queues BLKIF_OP_READ, _WRITE or _FLUSH_DISKCACHE in slot `slot`, which must not be busy:
 * `bytes` (a multiple of 512, <= KIT_BLK_BYTES) from or to buf[slot]. kit_blk_flush() notifies
 * the backend. */
void kit_blk_queue(struct kit_blk *b, uint32_t slot, uint8_t op, uint64_t sector, uint32_t bytes);
void kit_blk_flush(struct kit_blk *b);
/* Returns the slot of a completed request, with its BLKIF_RSP_* in *status; -1 if there is none. */
int kit_blk_done(struct kit_blk *b, int *status);

#endif
