/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds and parses frames. No side effects; received frames are hostile until they were checked
 * here. */
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

/* Starts a frame in `buf`, which belongs to the caller. */
void wire_begin(struct wire_out *w, void *buf, uint32_t room, enum proto_op op, uint32_t tag);
void wire_bytes(struct wire_out *w, enum proto_id id, const void *data, uint32_t len);
void wire_text(struct wire_out *w, enum proto_id id, const char *text); /* NULL: adds nothing */
void wire_u32(struct wire_out *w, enum proto_id id, uint32_t v);
void wire_u64(struct wire_out *w, enum proto_id id, uint64_t v);
/* Starts a nested group of fields; wire_close() needs the result. */
uint32_t wire_open(struct wire_out *w, enum proto_id id);
void wire_close(struct wire_out *w, uint32_t mark);
/* Completes the header; returns the length to send, 0 on overflow. */
uint32_t wire_end(struct wire_out *w);

/* --- parsing --- */

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

/* Checks the header and the sizes of all fields. 0, or -EPROTO; -EPROTONOSUPPORT: another
 * version. */
int wire_parse(struct wire_in *in, const void *frame, size_t len);
/* Parses a nested group, with the same checks. */
int wire_nested(struct wire_in *in, const struct wire_field *f);
/* The next field after *at (first call: 0); false after the last one. */
bool wire_next(const struct wire_in *in, uint32_t *at, struct wire_field *out);
/* The first field with this id. */
bool wire_find(const struct wire_in *in, enum proto_id id, struct wire_field *out);
/* Its number, or `none` if there is none or it has another size. */
uint32_t wire_get_u32(const struct wire_in *in, enum proto_id id, uint32_t none);
uint64_t wire_get_u64(const struct wire_in *in, enum proto_id id, uint64_t none);
/* Copies text with its NUL to `to`; false if it is missing, too long or has a NUL inside. */
bool wire_get_text(const struct wire_in *in, enum proto_id id, char *to, size_t room);
bool wire_field_text(const struct wire_field *f, char *to, size_t room);

#endif
