/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's channel: messages in order and once each, over a stream of bytes that may lose any of
 * them. Both ends are made of this, in the guest and on the host. */
#ifndef CHAOS_LINK_H
#define CHAOS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/linux/link/ring.h"

/*
 * A frame is its body, encoded so that it has no zero byte (COBS), between zero bytes. A body is a
 * kind, what that has, and a CRC-32 of these. The host begins with HELLO: a number of its own and
 * the next message that it expects. The guest answers WELCOME with the same number and what it
 * expects, and each goes on with that message. With a number that the guest does not know
 * everything begins anew. The other kinds are DATA, one message with its number, ACK, CALL: the
 * guest listens from now on, and has heard nothing yet; and BELL: the other end of the ring has
 * slept and has to look (ring.h). Bells may be lost: both ends ring after each HELLO.
 *
 * Unacknowledged messages are kept, at most LINK_KEPT and `window` bytes of frames: the guest's
 * always find room in the ring, so that its kernel never waits for the host.
 *
 * When much is to be moved, the host says RING_ASK; the guest answers RING with what it grants, the
 * host RING_USE when it has mapped that, and the guest RING_USED. RING_USE and RING_USED are the
 * last messages of their direction on the channel: all others go through the ring, in order. Grants
 * do not survive that a VM is saved and restored, its pages do: when the guest has connected again,
 * the host says RING_AGAIN, and the guest answers RING with other pages, which have the bytes of
 * the old ones.
 */
#define LINK_VERSION	  1u
#define LINK_MESSAGE	  1024u /* bytes of a message, at most */
#define LINK_KEPT	  16u
#define LINK_FRAME	  (LINK_MESSAGE + 32u) /* a frame, encoded, at most */
#define LINK_WINDOW_GUEST 1536u
#define LINK_WINDOW_HOST  16384u

struct link_ops {
	/* Bytes for the other end; all are taken. */
	void (*out)(void *arg, const void *bytes, size_t len);
	/* A message: its type, its session, and what it has. */
	void (*message)(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len);
	/* The guest's end: another host has begun. The host's: the first WELCOME. */
	void (*begun)(void *arg);
	/* The other end of the ring has rung. */
	void (*bell)(void *arg);
};

struct link_kept {
	uint32_t len; /* of the body, without its CRC */
	uint8_t body[LINK_MESSAGE + 16];
};

struct link {
	const struct link_ops *ops;
	void *arg;
	bool host, up; /* up: the other end has said what it expects */
	bool asked;    /* the host has said HELLO and waits */
	uint64_t number;
	uint32_t window, flying; /* bytes of kept messages that were sent */
	uint32_t acked, next;	 /* numbers of messages: acked <= kept < next */
	uint32_t expected;	 /* of the other end's */
	bool owes;		 /* an ACK */
	struct link_kept kept[LINK_KEPT];
	uint8_t in[LINK_FRAME];
	uint32_t in_len;
	bool skip;	   /* until the next zero: it is no frame of ours */
	struct ring *ring; /* NULL: messages are sent as frames */
};

void link_init(struct link *l, bool host, const struct link_ops *ops, void *arg);
/* The host's end begins; or goes on, when bytes may have been lost. */
void link_begin(struct link *l, uint64_t number);
void link_again(struct link *l);
/* The guest's end listens. */
void link_call(struct link *l);
/* A message of that length finds room. */
bool link_has_room(const struct link *l, size_t len);
/* Sends it; -EAGAIN: there is no room; -EMSGSIZE. */
int link_send(struct link *l, uint8_t type, uint8_t session, const void *data, size_t len);
/* Rings, if the channel is up. */
void link_bell(struct link *l);
/* Takes bytes of the other end, any. */
void link_input(struct link *l, const uint8_t *bytes, size_t len);

/* What messages say. To the guest: */
enum link_to_guest {
	LINK_ITEM =
		1,  /* key (enum link_key), 1: more of it follows, text: of what is set up or run */
	LINK_SETUP, /* mounts the root -> DONE or FAILED */
	LINK_RUN,   /* starts the session's process -> DONE or FAILED */
	LINK_INPUT, /* bytes */
	LINK_INPUT_END,
	LINK_SIGNAL,   /* u32 */
	LINK_WINDOW,   /* u16 rows, u16 columns */
	LINK_ROOM,     /* u8 stream, u32: so many bytes more may be sent of it */
	LINK_OFF,      /* powers off */
	LINK_HANG_UP,  /* the terminal is gone; without one, u8 stream: that has no reader */
	LINK_RING_ASK, /* u32: a number for the answer */
	LINK_RING_USE,
	/* u32: the number; u32, u32: the VM was restored: up to where the host has taken and sent
	 */
	LINK_RING_AGAIN,
	/* bytes of an archive (cpio, "newc"), in order, of what the session's container consists
	   of: "root" and below, "layer0" and so on, "opaque". SETUP says what was wrong with it */
	LINK_ARCHIVE,
	LINK_LEAVE /* the session's container ends, with all that is in it -> DONE or FAILED */
};
/* From it: */
enum link_from_guest {
	LINK_DONE = 32,
	LINK_FAILED,	 /* text */
	LINK_OUTPUT,	 /* bytes */
	LINK_ERRORS,	 /* bytes: standard error */
	LINK_EXIT,	 /* u32: 0..255, or 128 and a signal; the session is over */
	LINK_INPUT_ROOM, /* u32: so many bytes more of input may be sent */
	LINK_WHY,	 /* u32: the errno of the FAILED that comes next, of RUN */
	LINK_RING, /* u32: the number; u32 version, u32 pages of each direction, RING_ALL grants;
		      or nothing more: there is none */
	LINK_RING_USED
};

enum link_key {
	LINK_K_ARG = 'a',
	LINK_K_ENV = 'e',
	LINK_K_CWD = 'w',
	LINK_K_UID = 'u',
	LINK_K_GID = 'g',
	LINK_K_GROUP = 'G',
	LINK_K_UMASK = 'm',
	LINK_K_TERMINAL = 't', /* "rows columns" */
	LINK_K_CAPS = 'c', /* "bounding effective inheritable permitted ambient", as hexadecimals */
	LINK_K_NO_NEW = 'n', /* no_new_privs */
	LINK_K_LIMIT = 'l',  /* "number soft hard" */
	LINK_K_OOM = 'o',    /* oom_score_adj */
	LINK_K_USER = 'U',   /* "user[:group]", names or numbers, in place of these */
	LINK_K_COPY = 'C', /* "send" or "receive" of files (tree.h), with a path and a name as args;
			      or "names": questions to the host's name server, as names.h says */
	/* The container that the session belongs to, a name without slashes; none: the VM itself,
	 * or the one whose root the initramfs has. The first item of a session that has one. A new
	 * name: a new container, whose root comes as LINK_ARCHIVE and LINK_K_IMAGE before SETUP;
	 * the first process that is run in it begins its PID namespace. */
	LINK_K_CONTAINER = 'i',
	/* of the root, before SETUP */
	LINK_K_IMAGE = 'I', /* "xvda": the disk that has its lowest layer */
	LINK_K_PIDS = 'p',  /* the container has no PID namespace of its own, but the VM's */
	LINK_K_HOSTNAME = 'h',
	LINK_K_READONLY = 'r',
	/* "type\ndestination\noptions"; or "volume", a folder of the VM that has a name there and
	 * is the same for all its containers */
	LINK_K_MOUNT = 'M',
	LINK_K_SYSCTL = 's', /* "name=value" */
	LINK_K_SEED = 'S',   /* 64 hexadecimal digits that no other VM is given: random numbers */
	/* "if MAC MTU NAME", "ip NAME ADDRESS/PREFIX", "to NAME NETWORK/PREFIX GATEWAY|- METRIC
	 * [onlink]" */
	LINK_K_NETWORK = 'N'
};

#define LINK_SESSIONS 16u
#define LINK_STREAM   16384u  /* bytes of each output and of the input that may be sent at first */
#define RING_STREAM   262144u /* ... when there is a ring */

/* Numbers in messages, lowest byte first. */
static inline void link_put32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t link_get32(const uint8_t *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

#endif
