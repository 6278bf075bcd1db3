/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of names.h share. */
#ifndef CHAOS_NAMES_PARTS_H
#define CHAOS_NAMES_PARTS_H

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "guests/linux/link/names.h"

#define HEAD	12u
#define MESSAGE 65535u
#define LEAST	12u /* the head of a message of DNS */
#define WAITING 196608u
#define CALLERS 8u

enum { ASK = 1, ANSWER };

struct record {
	uint32_t len;
	uint16_t id;
	uint8_t kind, tcp;
	uint32_t server;
};

/* A program whose question the other end has. */
struct asker {
	bool used;
	uint16_t id;
	struct sockaddr_in from; /* UDP */
	uint32_t at;		 /* the address that it has asked */
	int caller;		 /* TCP: which; -1 */
};

/* Bytes of a TCP connection: a length of two bytes, and a message. */
struct piece {
	uint8_t data[2 + MESSAGE];
	uint32_t have; /* bytes read, or written */
};

/* A program's connection: it reads a question, waits for the answer, and writes that. */
struct caller {
	int fd;
	bool waits, writes;
	uint16_t id; /* of the question that waits */
	uint32_t at;
	struct piece *p;
};

/* A question of the other end, at a server. */
struct question {
	int fd;
	uint16_t id;
	bool writes;
	struct piece *p; /* TCP; NULL */
};

struct names {
	const struct names_end *e;
	uint16_t next;
	uint32_t turn; /* the caller that the next one may replace */
	struct asker asker[NAMES_FLYING];
	struct caller caller[CALLERS];
	struct question question[NAMES_FLYING];
	uint8_t in[HEAD + MESSAGE];
	uint32_t in_len;
	uint8_t out[WAITING];
	uint32_t out_len;
	uint8_t message[MESSAGE];
};

static inline bool names_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* A record for the other end; dropped when there is no room. */
void names_say(struct names *n, const struct record *r, const uint8_t *data);

/* Programs: one asks over UDP; another one connects; a connection is ready. */
void names_from_program(struct names *n);
void names_new_caller(struct names *n);
void names_serve_caller(struct names *n, uint32_t i);
void names_end_caller(struct caller *c);
/* The other end's answer, for the program that asked. */
void names_answer(struct names *n, const struct record *r, uint8_t *data);

/* Servers: a question of the other end; one of these is ready. */
void names_ask(struct names *n, const struct record *r, uint8_t *data);
void names_serve_question(struct names *n, struct question *q);
void names_end_question(struct question *q);

#endif
