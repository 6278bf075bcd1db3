/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames: building and taking apart. Pure; what comes in is hostile until checked here. */
#ifndef CHAOS_WIRE_H
#define CHAOS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "split-toolstack/protocol/proto.h"

/* --- building --- */

struct wire_out {
	uint8_t *buf;
	uint32_t len, room;
	bool overflow; /* something did not fit: the frame must not be sent */
};

/* Starts a frame in `buf`, which stays the caller's. */
void wire_begin(struct wire_out *w, void *buf, uint32_t room, enum proto_op op, uint32_t tag);
void wire_bytes(struct wire_out *w, enum proto_id id, const void *data, uint32_t len);
void wire_text(struct wire_out *w, enum proto_id id, const char *text); /* NULL: nothing */
void wire_u32(struct wire_out *w, enum proto_id id, uint32_t v);
void wire_u64(struct wire_out *w, enum proto_id id, uint64_t v);
/* A nested group of fields: wire_close() with what wire_open() returned. */
uint32_t wire_open(struct wire_out *w, enum proto_id id);
void wire_close(struct wire_out *w, uint32_t mark);
/* Completes the header; the length to send, 0 on overflow. */
uint32_t wire_end(struct wire_out *w);

/* --- taking apart --- */

struct wire_in {
	struct proto_header h;
	const uint8_t *fields;
	uint32_t bytes;
};

struct wire_field {
	enum proto_id id;
	const uint8_t *data;
	uint32_t len;
};

/* Checks header and the outline of all fields. 0, or -EPROTO; -EPROTONOSUPPORT: another version. */
int wire_parse(struct wire_in *in, const void *frame, size_t len);
/* The fields of a nested one, checked alike. */
int wire_nested(struct wire_in *in, const struct wire_field *f);
/* The next field after *at (0 at first); false behind the last. */
bool wire_next(const struct wire_in *in, uint32_t *at, struct wire_field *out);
/* The first with this id. */
bool wire_find(const struct wire_in *in, enum proto_id id, struct wire_field *out);
/* Its number, or `none` when there is none or it has another size. */
uint32_t wire_get_u32(const struct wire_in *in, enum proto_id id, uint32_t none);
uint64_t wire_get_u64(const struct wire_in *in, enum proto_id id, uint64_t none);
/* Copies text with its NUL to `to`; false when it is missing, too long or has a NUL inside. */
bool wire_get_text(const struct wire_in *in, enum proto_id id, char *to, size_t room);
bool wire_field_text(const struct wire_field *f, char *to, size_t room);

#endif
